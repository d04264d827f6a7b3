"""WorkerPool that a command forks from a copy of itself: the same trials, nobody left behind."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from greenkd.campaign.workers import fork_server
from greenkd.records import EpochRow, LedgerRow, Phase, find_campaigns, read_rows
from tests.system.conftest import ROOT, Run

pytestmark = [pytest.mark.system, pytest.mark.slow]
COMMAND = (
    "-m",
    "temperature=grid",
    "temperature.taus=[2,4,8,16]",
    "training.epochs=4",
    "training.teacher.epochs=1",
    "student.width=4",
    "threads=1",
    "energy=cpu_time",
    "seed=0,1",
)
WAIT_S = 120


def losses(sweep: Path) -> dict[tuple[str, int | None, int], float]:
    return {
        (folder.name, row.trial, row.epoch): row.train_loss
        for folder in find_campaigns(sweep)
        for row in read_rows(folder / "epochs.jsonl", EpochRow).rows
    }


def test_forked_workers_train_what_a_campaign_alone_trains(fresh: Run, greenkd: Run, base: Path) -> None:
    alone = greenkd(*COMMAND, "sweep=unforked")
    beside = fresh(*COMMAND, "sweep=forked", "training.parallel_trials=2")
    assert (alone.returncode, beside.returncode) == (0, 0), alone.stderr + beside.stderr
    sweeps = base / "multirun"
    assert losses(sweeps / "forked") == losses(sweeps / "unforked")
    for folder in find_campaigns(sweeps / "forked"):  # the second after its command's process has computed
        training = [
            row for row in read_rows(folder / "ledger.jsonl", LedgerRow).rows if row.phase is Phase.STUDENT_TRAINING
        ]
        assert len({row.pid for row in training}) == 2
        assert {row.trial for row in training} == set(range(4))


def test_none_outlives_a_command_that_is_killed(tmp_path: Path) -> None:
    command = subprocess.Popen(
        [sys.executable, str(ROOT / "run.py"), *COMMAND, "training.epochs=200", "training.parallel_trials=2"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )

    def there() -> set[int]:
        return {
            process.pid
            for process in psutil.process_iter(["cwd", "status"])
            if process.info["cwd"] == str(tmp_path) and process.info["status"] != psutil.STATUS_ZOMBIE
        }

    def wait_until_there_are(fewest: int, most: int) -> None:
        deadline = time.monotonic() + WAIT_S
        while not fewest <= len(there()) <= most:
            assert time.monotonic() < deadline, there()
            time.sleep(0.1)

    try:
        wait_until_there_are(3, 3)  # the command, its fork server, a worker
        time.sleep(1.0)  # processes that only pass (git, a first fork) have ended
        wait_until_there_are(3, 3)
        commands = [psutil.Process(pid).cmdline() for pid in there()]
        assert not any("greenkd.campaign.workers.worker" in words for words in commands), "all are forked"
        assert not psutil.Process(command.pid).children(recursive=True)  # whose time a meter would count twice
    finally:
        command.kill()
        command.wait()
    wait_until_there_are(0, 0)


def test_no_copy_is_made_beside_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fork_server, "_server", None)
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    fork_server.start_fork_server()
    over.set()
    thread.join()
    assert not fork_server.fork_worker(0, 1)


def test_a_copy_that_has_ended_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = fork_server.socket.socketpair()
    theirs.close()
    monkeypatch.setattr(fork_server, "_server", ours)
    with ours:
        assert not fork_server.fork_worker(0, 1)
