"""The start of a process that ran several jobs is divided among them, each second once."""

import dataclasses
from pathlib import Path

import pytest

from analysis.frames.lines import read_lines
from greenkd.campaign.spending import Spending
from greenkd.records import UNMETERED, LedgerRow, Phase, append_row, is_start_up, read_rows
from greenkd.sweep.start_up_shares import share_start_ups
from tests.records.test_files import ledger_row

BEGAN = "2026-01-01T00:00:00.000+00:00"


def trained(number: int, pid: int, watts: float) -> LedgerRow:
    """Ten seconds of work, all of whose energy is the processor's."""
    row = ledger_row(number)
    kwh = 10 * watts / 3.6e6
    return dataclasses.replace(
        row, started_at=f"2026-01-01T00:00:{10 + number}.000+00:00", duration_s=10.0, cpu_s=10.0, pid=pid, host="n/1",
        cpu_kwh=kwh, energy_kwh=kwh,
    )  # fmt: skip


def charged(pid: int, seconds: float) -> LedgerRow:
    row = trained(0, pid, 36)
    return dataclasses.replace(
        row, phase=Phase.START_UP, trial=None, started_at=BEGAN, duration_s=seconds, cpu_s=seconds / 2,
        warnings=(UNMETERED,), images=0,
    )  # fmt: skip


def shares(folder: Path) -> list[tuple[float, float | None]]:
    rows = read_rows(folder / "ledger.jsonl", LedgerRow).rows
    return [(row.duration_s, row.cpu_s) for row in rows if is_start_up(row)]


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    """Three campaigns of one process, which was charged to them as it went along, and one of a process of its own."""
    found = [tmp_path / name for name in ("first", "second", "third", "alone")]
    for number, (folder, pid, seconds) in enumerate(zip(found, (7, 7, 7, 8), (24.0, 4.0, 2.0, 5.0), strict=True)):
        folder.mkdir()
        append_row(folder / "ledger.jsonl", trained(number, pid, watts=36 * (number + 1)))
        append_row(folder / "ledger.jsonl", charged(pid, seconds))
    return found


def test_every_campaign_of_a_process_is_charged_the_same_and_done_twice_it_is_done_once(folders: list[Path]) -> None:
    for _ in range(2):
        share_start_ups(folders)
        assert [shares(folder) for folder in folders] == [[(10.0, 5.0)]] * 3 + [[(5.0, 2.5)]]

    # At the power of each campaign's own rows: 36 W, 72 W, 108 W while it computes
    rows = [read_rows(folder / "ledger.jsonl", LedgerRow).rows for folder in folders]
    joules = [3.6e6 * (row.energy_kwh or 0) for of_one in rows[:3] for row in of_one if is_start_up(row)]
    assert joules == pytest.approx([180, 360, 540])


def test_a_command_that_was_killed_while_it_divided_loses_and_adds_nothing(folders: list[Path]) -> None:
    share_start_ups(folders)
    for folder in folders[1:]:  # as if the first had been written, no other
        lines = (folder / "ledger.jsonl").read_bytes().splitlines(keepends=True)
        (folder / "ledger.jsonl").write_bytes(b"".join(line for line in lines if b'"shared_among":3' not in line))
    share_start_ups(folders)
    assert [shares(folder) for folder in folders[:3]] == [[(10.0, 5.0)]] * 3


def test_a_process_that_ran_another_job_since_is_divided_anew(folders: list[Path], tmp_path: Path) -> None:
    share_start_ups(folders)
    later = tmp_path / "later"
    later.mkdir()
    append_row(later / "ledger.jsonl", trained(9, 7, watts=36))
    append_row(later / "ledger.jsonl", charged(7, 10.0))
    share_start_ups([*folders, later])
    assert [shares(folder) for folder in (*folders[:3], later)] == [[(10.0, 5.0)]] * 4


def test_the_analysis_and_a_budget_count_what_the_records_do(folders: list[Path]) -> None:
    class Silent:
        def flush(self) -> None:
            """Has nothing to write."""

    spending = Spending(folders[0], folders[0] / "cache", Silent(), whole_sweep=False, counts_energy=False)  # type: ignore[arg-type]
    spending.look()
    assert spending.total()["hours"] == pytest.approx((10 + 24) / 3600)

    share_start_ups(folders)
    spending.look()
    assert spending.total()["hours"] == pytest.approx((10 + 10) / 3600)
    assert sum(row["duration_s"] for row in read_lines(folders[0] / "ledger.jsonl", LedgerRow, [])) == 20.0
