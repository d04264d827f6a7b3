"""Real processes killed, interrupted and run side by side; what they end with is what an undisturbed run ends with."""

import json
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from greenkd.records import EpochRow, LedgerRow, TrialRow, TrialStatus, read_campaign, read_rows
from tests.commands import Command, typed
from tests.system.conftest import ROOT, Run

pytestmark = [pytest.mark.system, pytest.mark.slow]
COMMAND = (
    "-m",
    "temperature=grid",
    "temperature.taus=[2,8]",
    "training.epochs=8",
    "training.teacher.epochs=2",
    "training.checkpoint_every_s=0.05",
    "energy=simulated",
    "energy.heartbeat_s=0.1",
)
WAIT_S = 120


def start(folder: Path, *arguments: str) -> Command:
    return Command(*COMMAND, f"cache_dir={folder / 'cache'}", *arguments, cwd=folder)


def wait_until(condition: Callable[[], object], process: Command) -> None:
    deadline = time.monotonic() + WAIT_S
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.005)


def epochs(folder: Path) -> list[EpochRow]:
    return [row for path in folder.glob("multirun/**/epochs.jsonl") for row in read_rows(path, EpochRow).rows]


def campaign(folder: Path) -> Path:
    (record,) = folder.glob("multirun/**/campaign.json")
    return record.parent


def results(folder: Path) -> object:
    record = read_campaign(campaign(folder) / "campaign.json")
    rows = {(row.trial, row.epoch, row.train_loss, row.val_loss, row.val_score) for row in epochs(folder)}
    return record.status, record.chosen_trial, record.tests, sorted(rows)


@pytest.mark.parametrize("kills", [6, pytest.param(26, marks=pytest.mark.nightly)])
def test_killed_at_chosen_and_random_moments(kills: int, tmp_path: Path) -> None:
    """Kills over teacher, trial, writes and test; the long version is the same command with more."""
    seed = int.from_bytes(os.urandom(2))
    found = tmp_path / "kills.json"
    words = ("--kills", str(kills), "--seed", str(seed), "--json", str(found))
    done = typed(*words, program=("-m", "benchmarks.kill"), cwd=ROOT)
    print(done.stdout)  # the seed, for pytest to show when this fails
    assert done.returncode == 0, done.stdout + done.stderr
    numbers = json.loads(found.read_text())
    assert numbers["kills"] == numbers["resumed"] == numbers["identical"] == kills
    assert numbers["rows_lost"] == numbers["trials_lost"] == 0


def test_sigterm_then_sigkill_then_to_the_end(tmp_path: Path) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for folder in (whole, broken):
        folder.mkdir()
    undisturbed = start(whole)
    first = start(broken)
    wait_until(lambda: epochs(broken), first)
    first.send_signal(signal.SIGTERM)
    said, _ = first.communicate(timeout=WAIT_S)
    assert first.returncode == 130, said
    assert "stopped by SIGTERM; all finished steps are kept" in said
    assert "trial 0 partial at epoch" in said
    assert "To go on: python run.py -m temperature=grid" in said
    folder = campaign(broken)
    (row,) = read_rows(folder / "trials.jsonl", TrialRow).rows
    assert row.status is TrialStatus.INTERRUPTED
    assert (folder / "trials" / "0" / "checkpoint.safetensors").exists()
    reached = max(row.epoch for row in epochs(broken))

    second = start(broken)
    wait_until(lambda: any(row.epoch > reached for row in epochs(broken)), second)
    second.kill()
    second.communicate()
    assert second.returncode == -signal.SIGKILL

    third = start(broken)
    said, _ = third.communicate(timeout=WAIT_S)
    assert third.returncode == 0, said
    assert undisturbed.wait(WAIT_S) == 0, undisturbed.communicate()[0]
    assert results(broken) == results(whole)
    rows = [row for row in read_rows(folder / "ledger.jsonl", LedgerRow).rows if row.trial == 0]
    assert {row.attempt for row in rows} == {0, 1, 2}, "the energy of every attempt is on record"
    assert sum(row.images for row in rows if row.attempt == 1) > 0, "that of the one killed by SIGKILL too"


def test_two_processes_given_the_same_command_share_the_work(tmp_path: Path) -> None:
    taus = "temperature.taus=[2,3,4,6,8,12]"
    both = [start(tmp_path, taus), start(tmp_path, taus)]
    said = [process.communicate(timeout=2 * WAIT_S)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], "\n".join(said)
    folder = campaign(tmp_path)
    record = read_campaign(folder / "campaign.json")
    assert record.status == "done"
    rows = read_rows(folder / "trials.jsonl", TrialRow)
    assert not rows.torn
    assert sorted((row.trial, row.attempt) for row in rows.rows) == [(trial, 0) for trial in range(6)]
    assert len(record.tests) == 6
    ledger = read_rows(folder / "ledger.jsonl", LedgerRow)
    assert not ledger.torn
    trained = [row for row in ledger.rows if row.phase == "student_training"]
    assert len({row.pid for row in trained}) == 2, "each has run trials"
    (teacher,) = tmp_path.glob("cache/teachers/*/ledger.jsonl")
    assert len({(row.attempt, row.pid) for row in read_rows(teacher, LedgerRow).rows}) == 1, "trained once, by one"
    assert len({row.epoch for row in read_rows(teacher.with_name("epochs.jsonl"), EpochRow).rows}) == 2


def test_one_campaign_that_fails_stops_no_other(greenkd: Run, base: Path) -> None:
    done = greenkd(
        "-m",
        "sweep=isolated",
        "temperature=fixed",
        "energy=simulated",
        "training.epochs=1",
        "training.teacher.epochs=1",
        "training.teacher.lr=1e30,0.1",
    )
    assert done.returncode == 3, done.stdout + done.stderr
    assert "its training failed" in done.stdout
    ended = [read_campaign(path).status for path in base.glob("multirun/isolated/**/campaign.json")]
    assert sorted(ended) == ["done", "failed"]
    again = greenkd(
        "-m",
        "sweep=isolated",
        "temperature=fixed",
        "dry_run=true",
        "training.epochs=1",
        "training.teacher.epochs=1",
        "training.teacher.lr=1e30,0.1",
    )
    assert again.returncode == 0
    assert "0 of 1 trials done, 1 to do" in again.stdout
    assert "1 trial  done" in again.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits the size of files the Linux way")
def test_a_full_disk_is_noticed_before_anything_is_trained(tmp_path: Path) -> None:
    limited = (
        "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000));"
        f"sys.argv[0] = {str(ROOT / 'run.py')!r}; runpy.run_path(sys.argv[0], run_name='__main__')"
    )
    done = typed(*COMMAND, f"cache_dir={tmp_path}", program=("-c", limited), cwd=tmp_path)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "cannot be written (File too large)" in done.stdout
    assert "hydra.sweep.dir" in done.stdout
    assert not list(tmp_path.rglob("teachers"))
