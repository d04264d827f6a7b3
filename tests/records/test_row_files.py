"""Rows per process: nobody appends to another's file, and all readers see the same rows in the same order."""

import multiprocessing
import os
import socket
from pathlib import Path

import pytest

import analysis
from analysis.frames.verification import verify
from greenkd.records import LedgerRow, TrialRow, TrialStatus, append_row, read_rows
from greenkd.records.files import write_text
from greenkd.records.follow import RowFollower
from greenkd.records.manifest import differences, read_manifest, write_manifest
from greenkd.records.row_files import row_files
from tests.analysis.plans import GRID, grid
from tests.analysis.sweeps import write_campaign
from tests.rows import trial_row


def in_another_process(*calls: tuple[Path, TrialRow]) -> None:
    def append() -> None:
        for path, row in calls:
            append_row(path, row)

    process = multiprocessing.get_context("fork").Process(target=append)
    process.start()
    process.join()
    assert process.exitcode == 0


def at(second: int) -> str:
    return f"2026-01-01T00:00:{second:02d}+00:00"


def test_the_first_process_has_the_plain_file_and_every_other_one_its_own(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    append_row(path, trial_row(0, started_at=at(0)))
    in_another_process((path, trial_row(1, started_at=at(1))), (path, trial_row(2, started_at=at(2))))
    in_another_process((path, trial_row(4, started_at=at(4))))
    append_row(path, trial_row(3, started_at=at(3)))

    assert [len(file.read_bytes().splitlines()) for file in row_files(path)[:1]] == [2]
    others = [file.name for file in tmp_path.iterdir() if file != path]
    host = socket.gethostname().partition(".")[0]
    assert len(others) == 2
    assert all(name.startswith(f"trials.{host}-") for name in others)
    assert [row.trial for row in read_rows(path, TrialRow).rows] == [0, 1, 2, 3, 4]


def test_a_process_that_goes_on_never_appends_below_anothers_torn_line(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    path.write_text('{"trial": 0, "att')
    append_row(path, trial_row(1))
    lines = read_rows(path, TrialRow)
    assert [row.trial for row in lines.rows] == [1]
    assert lines.torn == ['{"trial": 0, "att']
    assert path.read_text() == '{"trial": 0, "att'


def test_a_process_whose_file_was_taken_away_makes_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    append_row(path, trial_row(0))
    path.unlink()
    append_row(path, trial_row(1))
    assert [row.trial for row in read_rows(path, TrialRow).rows] == [1]


def test_attempts_keep_their_order_where_clocks_of_two_machines_disagree(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    append_row(path, trial_row(0, status=TrialStatus.INTERRUPTED, started_at=at(30)))
    append_row(path, trial_row(1, status=TrialStatus.PAUSED, started_at=at(40)))
    # A machine whose clock is half a minute behind goes on with both.
    in_another_process(
        (path, trial_row(0, attempt=1, started_at=at(5))),
        (path, trial_row(1, status=TrialStatus.PRUNED, started_at=at(40))),
        (path, trial_row(2, started_at=at(10))),  # below a row of second 40
    )
    rows = read_rows(path, TrialRow).rows
    assert [(row.trial, row.attempt, row.status.value) for row in rows] == [
        (0, 0, "interrupted"),
        (0, 1, "complete"),
        (1, 0, "paused"),
        (1, 0, "pruned"),
        (2, 0, "complete"),
    ]


def test_a_follower_sees_each_row_of_every_process_once(tmp_path: Path) -> None:
    path = tmp_path / "trials.jsonl"
    follower = RowFollower(path, TrialRow)
    assert follower.new_rows() == []
    append_row(path, trial_row(0))
    in_another_process((path, trial_row(1)))
    assert [row.trial for row in follower.new_rows()] == [0, 1]
    in_another_process((path, trial_row(3)))
    append_row(path, trial_row(2))
    assert sorted(row.trial for row in follower.new_rows()) == [2, 3]
    assert follower.new_rows() == []


def test_manifest_and_analysis_know_the_files_of_all_processes(tmp_path: Path) -> None:
    folder = write_campaign(tmp_path, grid(0, *GRID))
    alone = analysis.load(folder)
    lines = (folder / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    other = folder / "ledger.node7-42-0a1b2c.jsonl"
    (folder / "ledger.jsonl").write_bytes(b"".join(lines[::2]))
    other.write_bytes(b"".join(lines[1::2]))
    write_manifest(folder)
    manifest = read_manifest(folder)
    assert manifest is not None
    assert other.name in manifest.files

    divided = analysis.load(folder)
    assert len(divided.ledger) == len(alone.ledger)
    assert divided.ledger["energy_kwh"].sum() == pytest.approx(alone.ledger["energy_kwh"].sum(), rel=1e-12)
    assert len(read_rows(folder / "ledger.jsonl", LedgerRow).rows) == len(lines)
    assert not verify([folder]).problems

    # One that is lost or changed is named, and no sum is made without it.
    other.unlink()
    assert other.name in differences(folder, manifest)
    without = analysis.load(folder)
    assert without.ledger.empty
    assert any(other.name in problem.where for problem in without.problems)


def test_temporary_names_of_another_machine_are_left_alone_until_nobody_can_be_writing(tmp_path: Path) -> None:
    path = tmp_path / "campaign.json"
    fresh, old = tmp_path / ".campaign.json.node7-42-0a1b2c.tmp", tmp_path / ".campaign.json.4711.tmp"
    fresh.touch()
    old.touch()
    os.utime(old, (0, 0))
    write_text(path, "{}")
    assert sorted(file.name for file in tmp_path.iterdir()) == [fresh.name, path.name]
