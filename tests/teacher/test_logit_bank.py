"""The logit bank changes nothing but what is computed."""

import logging
import os
from pathlib import Path

import pytest
import torch

from greenkd.records import LedgerRow, Phase, append_row, meter_of, read_rows
from greenkd.records.metering import own_terms
from greenkd.teacher.logit_bank import bank_size_bytes, costs_alone, costs_paid, make_room
from greenkd.training.safetensors_io import load_tensors
from tests.campaigns import Campaign
from tests.records.test_metering import JOULES, codecarbon, cpu_time

GRID = ("temperature=grid", "temperature.taus=[2,8]", "training.teacher.epochs=1", "threads=1")


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("stored"), *GRID)


def losses(campaign: Campaign) -> list[float]:
    return [row.train_loss for row in campaign.epochs]


def files(campaign: Campaign) -> list[Path]:
    return sorted((campaign.settings.cache_dir / "logits").glob("*/epoch_*.safetensors"))


def test_with_and_without_a_bank_every_bit_is_the_same(stored: Campaign, tmp_path: Path) -> None:
    live = Campaign(tmp_path, *GRID, "training.bank=false")
    assert files(stored)
    assert not files(live)
    assert losses(stored) == losses(live)
    first, _ = load_tensors(stored.folder / "student.safetensors")
    second, _ = load_tensors(live.folder / "student.safetensors")
    assert all(torch.equal(first[name], second[name]) for name in second)


def test_an_epoch_in_several_files_is_the_same(
    stored: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("greenkd.teacher.logit_bank._FLOPS_PER_FILE", 1.0)
    parted = Campaign(tmp_path, *GRID)
    assert len(files(parted)) > len(files(stored)) == 2
    assert losses(parted) == losses(stored)
    whole, _ = load_tensors(files(stored)[0])
    parts = [load_tensors(file)[0]["logits"] for file in files(parted) if "epoch_0000" in file.name]
    assert torch.equal(torch.cat(parts), whole["logits"])


def test_logits_are_computed_once_for_all_trials(stored: Campaign) -> None:
    ledgers = (stored.settings.cache_dir / "logits").glob("*/ledger.jsonl")
    rows = [row for ledger in ledgers for row in read_rows(ledger, LedgerRow).rows]
    assert {row.phase for row in rows} == {Phase.TEACHER_LOGITS}
    assert sum(row.images for row in rows) == 2 * (1438 - 287)  # epochs × training images, not times two trials


def test_a_damaged_file_is_noticed_and_computed_again(
    stored: Campaign, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    first = Campaign(tmp_path, *GRID)
    file = files(first)[1]
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        second = Campaign(tmp_path, "temperature=grid", "temperature.taus=[2]", "threads=1")
    assert "does not match its digest; the file is damaged; computing these logits again" in caplog.text
    assert losses(second) == losses(stored)[:2]


def test_float16_takes_half_the_space_and_stays_close(stored: Campaign, tmp_path: Path) -> None:
    half = Campaign(tmp_path, *GRID, "training.bank_dtype=float16")
    exact, rounded = load_tensors(files(stored)[0])[0]["logits"], load_tensors(files(half)[0])[0]["logits"]
    assert rounded.dtype == torch.float16
    assert torch.equal(rounded, exact.half())
    assert losses(half) == pytest.approx(losses(stored), rel=1e-3)
    assert losses(half) != losses(stored)
    assert half.record.campaign_id != stored.record.campaign_id  # it can change a result, so it is another campaign


def test_objectives_that_distil_features_run_the_teacher_and_say_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        crd = Campaign(tmp_path, "temperature=fixed", "objective=crd", "objective.negatives=64", "training.epochs=1")
    assert "distils features" in caplog.text
    assert not files(crd)


def test_size_is_that_of_the_files(stored: Campaign) -> None:
    told = bank_size_bytes(1438 - 287, (10,), 2, "float32")
    written = sum(file.stat().st_size for file in files(stored))
    assert told <= written < told + 2 * 500  # a header each
    assert bank_size_bytes(45_000, (100,), 100, "float16") == 900_000_000


def test_the_streams_used_longest_ago_make_room(tmp_path: Path) -> None:
    for age, name in enumerate(("new", "middle", "old")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "epoch_0000_000000.safetensors").write_bytes(bytes(100))
        (tmp_path / name / "ledger.jsonl").write_text("kept")
        os.utime(tmp_path / name, (1e9 - age, 1e9 - age))
    sizes = lambda: {path.name: len(list(path.glob("epoch_*"))) for path in tmp_path.iterdir()}  # noqa: E731
    make_room(tmp_path, 100, 300, keep=tmp_path / "middle")
    assert sizes() == {"new": 1, "middle": 1, "old": 1}  # the stream to be used counts once
    make_room(tmp_path, 100, 250, keep=tmp_path / "old")
    assert sizes() == {"new": 1, "middle": 0, "old": 1}
    make_room(tmp_path, 100, 120, keep=tmp_path / "next")
    assert sizes() == {"new": 0, "middle": 0, "old": 0}
    assert all((tmp_path / name / "ledger.jsonl").exists() for name in ("new", "middle", "old"))


def test_a_bank_that_does_not_fit_is_not_used(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        live = Campaign(tmp_path, "temperature=fixed", "training.bank_limit_gb=0.00001")
    assert "more than training.bank_limit_gb=1e-05; running the teacher on every batch instead" in caplog.text
    assert not files(live)


def plant(folder: Path, *rows: LedgerRow) -> Path:
    folder.mkdir(parents=True)
    for row in rows:
        append_row(folder / "ledger.jsonl", row)
    return folder


def test_logits_of_another_meter_are_stated_in_the_campaigns_own_terms(tmp_path: Path) -> None:
    # What energy=cpu_time finds after a CodeCarbon run: 4 W per CPU second, and 10 W of memory by the clock.
    stream = plant(tmp_path / "stream", codecarbon(cpu_s=3.0, seconds=9.0, images=100))
    own = own_terms([cpu_time()])
    assert own is not None
    priced = costs_alone(stream, 50, own)
    assert priced is not None
    costs, meters = priced
    assert costs.energy_kwh == pytest.approx(4 * 3 / 2 / JOULES)
    assert (costs.cpu_s, costs.duration_s) == (1.5, 4.5)
    assert meters == (meter_of(codecarbon()),)

    # Once it has read some itself, these speak for all.
    append_row(stream / "ledger.jsonl", cpu_time(cpu_s=1.0, seconds=1.0, images=100))
    priced = costs_alone(stream, 50, own)
    assert priced is not None
    assert priced[0].energy_kwh == pytest.approx(4 * 1 / 2 / JOULES)
    assert priced[1] == (own.meter,)


def test_what_was_paid_under_two_meters_is_in_terms_of_the_last(tmp_path: Path) -> None:
    stream = plant(tmp_path / "stream", codecarbon(cpu_s=3.0, images=10), cpu_time(cpu_s=1.0, images=10))
    own = own_terms([cpu_time()])
    assert own is not None
    paid = costs_paid(stream, "c", "2025-01-01T00:00:00+00:00", own)
    assert paid is not None
    assert paid.energy_kwh == pytest.approx(4 * 4 / JOULES)


def test_a_meter_with_a_sensor_meters_some_logits_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    first = Campaign(tmp_path, *GRID, "energy=cpu_time")
    (ledger,) = (tmp_path / "cache" / "logits").glob("*/ledger.jsonl")
    before = read_rows(ledger, LedgerRow).rows
    with caplog.at_level(logging.INFO):  # simulated watts stand in for a sensor
        second = Campaign(tmp_path, "temperature=fixed", "training.teacher.epochs=1", "threads=1")
    assert "computing some again to meter them" in caplog.text
    again = read_rows(ledger, LedgerRow).rows[len(before) :]
    assert {row.method for row in again} == {"simulated"}

    record, images = second.record, 2 * (1438 - 287)
    assert record.logits_costs is not None
    read = [row for row in again if row.images]
    rate = sum(row.energy_kwh or 0.0 for row in read) / sum(row.images for row in read)
    assert record.logits_costs.energy_kwh == pytest.approx(rate * images)
    assert record.logits_metered_by == (meter_of(read[0]),)
    assert first.record.logits_metered_by == (meter_of(before[0]),)
    assert second.record.teacher_result is not None
    assert (second.record.teacher_result.metered_by or "").startswith("cpu_time")
