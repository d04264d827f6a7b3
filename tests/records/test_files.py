"""Record files: whatever is cut off or damaged, whole rows come back and the rest is reported."""

import contextlib
import errno
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenkd.errors import DamagedRecordError, RecordError, StorageError
from greenkd.records import (
    LedgerRow,
    Phase,
    Source,
    append_row,
    read_campaign,
    read_estimate,
    read_rows,
    write_json,
)
from greenkd.sweep.campaign_folders import make_campaign_folder


def ledger_row(number: int, text: str = "", energy: float | None = 0.5) -> LedgerRow:
    return LedgerRow(
        campaign_id="c",
        phase=Phase.STUDENT_TRAINING,
        trial=number,
        attempt=0,
        started_at="2026-01-01T00:00:00+00:00",
        duration_s=1.0 + number,
        cpu_s=None,
        energy_kwh=energy,
        cpu_kwh=energy,
        gpu_kwh=None,
        ram_kwh=None,
        cpu_source=Source.SIMULATED,
        gpu_source=Source.ABSENT,
        ram_source=Source.ABSENT,
        meter="m",
        method="simulated",
        scope="process",
        apportioned=False,
        pue=1.0,
        intensity_g_per_kwh=None,
        intensity_source="",
        co2eq_g=None,
        flops=None,
        forward_flops=None,
        images=number,
        sensor=text,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("ledgers")


texts = st.lists(st.text(max_size=30), min_size=1, max_size=6)


@settings(max_examples=300, deadline=None)
@given(texts=texts, share=st.floats(0, 1), energy=st.floats(allow_nan=False, allow_infinity=False) | st.none())
def test_a_cut_at_any_byte_costs_one_row_at_most_and_is_said(
    folder: Path, texts: list[str], share: float, energy: float | None
) -> None:
    path = folder / "ledger.jsonl"
    path.unlink(missing_ok=True)
    rows = [ledger_row(number, text, energy) for number, text in enumerate(texts)]
    for row in rows:
        append_row(path, row)
    content = path.read_bytes()
    length = round(share * len(content))
    path.write_bytes(content[:length])
    whole = content[:length].count(b"\n")
    read = read_rows(path, LedgerRow)
    # A cut just before the line's end leaves a whole row.
    complete = whole + (length < len(content) and content[length : length + 1] == b"\n")
    assert read.rows == rows[:complete]
    assert len(read.torn) == (not content[:length].endswith(b"\n") and length > 0 and complete == whole)
    assert len(read.rows) + len(read.torn) >= min(len(rows), content[: length + 1].count(b'{"campaign_id"'))
    # What is written next is whole, and the torn line is still there to be reported.
    append_row(path, ledger_row(99))
    again = read_rows(path, LedgerRow)
    assert again.rows == [*rows[:complete], ledger_row(99)]
    assert again.torn == read.torn


@settings(max_examples=300, deadline=None)
@given(texts=texts, garbage=st.binary(max_size=40), share=st.floats(0, 1))
def test_bytes_overwritten_anywhere_never_raise_anything_but_a_record_error(
    folder: Path, texts: list[str], garbage: bytes, share: float
) -> None:
    path = folder / "damaged.jsonl"
    path.unlink(missing_ok=True)
    for number, text in enumerate(texts):
        append_row(path, ledger_row(number, text))
    content = path.read_bytes()
    start = round(share * len(content))
    path.write_bytes(content[:start] + garbage + content[start + len(garbage) :])
    untouched = content[:start].count(b"\n")
    with contextlib.suppress(RecordError):  # a line that is JSON by chance, and no ledger row
        assert len(read_rows(path, LedgerRow).rows) >= untouched


def test_a_disk_that_takes_half_a_line_is_an_error_and_the_next_row_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.jsonl"
    append_row(path, ledger_row(0))
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda descriptor, data: write(descriptor, data[: len(data) // 2]))
        with pytest.raises(StorageError, match=r"ledger\.jsonl: cannot be written \(No space left.*free some space"):
            append_row(path, ledger_row(1))
    append_row(path, ledger_row(2))
    read = read_rows(path, LedgerRow)
    assert [row.trial for row in read.rows] == [0, 2]
    assert len(read.torn) == 1


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_refused_write_names_file_and_cure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    def refuse(*_: Any) -> int:
        raise OSError(code, os.strerror(code))

    write_json(tmp_path / "a.json", {"old": 1})
    monkeypatch.setattr(os, "write", refuse)
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match="run the same command again"):
        append_row(tmp_path / "ledger.jsonl", ledger_row(0))
    with pytest.raises(StorageError, match=r"a\.json"):
        write_json(tmp_path / "a.json", {"new": 1})
    assert "old" in (tmp_path / "a.json").read_text()
    assert not list(tmp_path.glob(".*"))


def test_another_schema_version_is_refused_not_skipped(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    path.write_text('{"schema_version": 99}\n')
    with pytest.raises(RecordError, match="schema version 99"):
        read_rows(path, LedgerRow)


def test_a_campaign_record_that_is_no_json_is_told_from_one_of_another_version(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"campaign_id": "x", ')
    with pytest.raises(DamagedRecordError):
        read_campaign(tmp_path / "a.json")
    (tmp_path / "b.json").write_text('{"schema_version": 99}')
    with pytest.raises(RecordError) as refused:
        read_campaign(tmp_path / "b.json")
    assert not isinstance(refused.value, DamagedRecordError)


def _use(path: Path, use: str) -> None:
    if use == "append":
        append_row(path, ledger_row(0))
    elif use == "replace":
        write_json(path, {"a": 1})
    elif use == "read rows":
        read_rows(path, LedgerRow)
    elif use == "read a campaign":
        read_campaign(path)
    else:
        read_estimate(path)


USES = ("append", "replace", "read rows", "read a campaign", "read an estimate")


@pytest.mark.parametrize("use", USES)
@pytest.mark.parametrize("target", ["theirs.txt", "missing.txt", "record"])
def test_a_link_in_the_place_of_a_record_is_named_and_not_followed(tmp_path: Path, use: str, target: str) -> None:
    theirs = tmp_path / "theirs.txt"
    theirs.write_text("{}\n")
    link = tmp_path / "record"
    link.symlink_to(target)
    with pytest.raises(StorageError, match=rf"record: is a link to {target}; .*put the file itself there"):
        _use(link, use)
    assert theirs.read_text() == "{}\n"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["record", "theirs.txt"]


@pytest.mark.parametrize("use", ["append", "read rows", "read a campaign", "read an estimate"])
def test_a_pipe_in_the_place_of_a_record_stops_nothing(tmp_path: Path, use: str) -> None:
    os.mkfifo(tmp_path / "record")
    with pytest.raises(StorageError, match="is no ordinary file"):
        _use(tmp_path / "record", use)


def test_a_link_that_waits_where_the_temporary_file_goes_is_not_followed(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.txt"
    theirs.write_text("theirs")
    (tmp_path / f".a.json.{os.getpid()}.tmp").symlink_to(theirs)
    write_json(tmp_path / "a.json", {"a": 1})
    assert theirs.read_text() == "theirs"
    assert not (tmp_path / "a.json").is_symlink()


def test_links_where_hydra_filelock_and_sqlite_write_are_refused(tmp_path: Path) -> None:
    make_campaign_folder(tmp_path / "campaign")
    for name in (".hydra", "run.log", "study.db"):
        link = tmp_path / "campaign" / name
        link.symlink_to(tmp_path / "theirs")
        with pytest.raises(StorageError, match=rf"{name}: is a link to .*theirs"):
            make_campaign_folder(tmp_path / "campaign")
        link.unlink()


def test_a_sweep_on_another_disk_is_reached_by_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "multirun").symlink_to(tmp_path / "disk")
    append_row(tmp_path / "multirun" / "ledger.jsonl", ledger_row(0))
    assert len(read_rows(tmp_path / "disk" / "ledger.jsonl", LedgerRow).rows) == 1
