"""Trials side by side equal trials run alone, and a worker that dies loses nothing."""

import logging
import math
import os
import signal
import time
from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest
import torch

from greenkd.campaign import campaign as campaign_module
from greenkd.campaign.workers.pool import WorkerPool
from greenkd.energy.flops import Flops
from greenkd.errors import TrainingInterruptedError
from greenkd.records import UNMETERED, EpochRow, LedgerRow, Phase, TrialStatus, is_start_up, read_rows
from greenkd.training.safetensors_io import load_tensors
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import Campaign

pytestmark = pytest.mark.slow
# Long enough that a worker, which has torch to import, still finds trials to run.
TRIALS = ("temperature=grid", "temperature.taus=[2,3,4,6,8,12]", "threads=1")
PARALLEL = "training.parallel_trials=2"


def waits_for_helpers(monkeypatch: pytest.MonkeyPatch) -> list[WorkerPool]:
    """Makes campaigns wait before their first trial until their workers have torch; returns the WorkerPool made."""
    made: list[WorkerPool] = []

    class Patient(WorkerPool):
        def __init__(self, *args: object) -> None:
            super().__init__(*args)  # type: ignore[arg-type]
            made.append(self)

        def begin(self, counted: Mapping[str, Flops]) -> None:
            super().begin(counted)
            ledger = self._folder / "ledger.jsonl"
            count = len(self._threads)
            for _ in range(1200):
                rows = read_rows(ledger, LedgerRow).rows
                pids = {row.pid for row in rows if row.phase is Phase.STUDENT_TRAINING}
                epochs = read_rows(self._folder / "epochs.jsonl", EpochRow).rows
                if not count or pids or epochs:
                    return
                self._threads[0].join(0.1)

    monkeypatch.setattr(campaign_module, "WorkerPool", Patient)
    return made


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("alone"), *TRIALS)


def losses(campaign: Campaign) -> dict[tuple[int | None, int], float]:
    return {(row.trial, row.epoch): row.train_loss for row in campaign.epochs}


def ends(pid: int) -> bool:
    """Waits until a process is over; one that nobody has buried counts."""
    for _ in range(200):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        time.sleep(0.1)
    return False


def test_side_by_side_equals_alone(alone: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits_for_helpers(monkeypatch)
    started = time.monotonic()
    shared = Campaign(tmp_path, *TRIALS, PARALLEL)
    elapsed_s = time.monotonic() - started
    assert losses(shared) == losses(alone)
    assert shared.record.tests == alone.record.tests
    assert shared.record.chosen_trial == alone.record.chosen_trial
    ours, _ = load_tensors(shared.folder / "student.safetensors")
    theirs, _ = load_tensors(alone.folder / "student.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    # Two processes did it, and nothing was done twice.
    rows = read_rows(shared.folder / "ledger.jsonl", LedgerRow).rows
    training = [row for row in rows if row.phase is Phase.STUDENT_TRAINING]
    assert len({row.pid for row in training}) == 2
    assert sum(row.images for row in training) == 6 * 2 * (1438 - 287)
    assert sorted(row.trial for row in shared.trials) == list(range(6))
    for pid in {row.pid for row in rows}:  # and nobody's seconds are recorded twice
        assert sum(row.duration_s for row in rows if row.pid == pid) <= elapsed_s
    worker = next(row.pid for row in training if row.pid not in (None, os.getpid()))
    assert ends(worker)

    # The worker's start is told from choosing τ, its first moments before it had a meter included.
    starts = [row for row in rows if is_start_up(row)]
    assert {row.pid for row in starts} == {worker}
    assert sum(UNMETERED in row.warnings for row in starts) == 1
    assert min(row.started_at for row in training if row.pid == worker) > min(row.started_at for row in starts)


def test_a_helper_that_dies_loses_no_trial(
    alone: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = waits_for_helpers(monkeypatch)

    class Kills(StopFlag):
        """Kills the worker at the first step of the campaign's own process, when the worker is training too."""

        def check(self) -> None:
            if made and made[0].pids:
                begun = read_rows(made[0]._folder / "epochs.jsonl", EpochRow).rows
                if begun:
                    os.kill(made[0].pids.pop(), signal.SIGKILL)

    with caplog.at_level(logging.WARNING):
        shared = Campaign(tmp_path, *TRIALS, PARALLEL, stop=Kills())
    assert "died" in caplog.text
    assert {row.status for row in shared.trials} == {TrialStatus.COMPLETE}
    assert losses(shared) == losses(alone)


def test_a_stop_reaches_the_helper(alone: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = waits_for_helpers(monkeypatch)

    class Stops(StopFlag):
        def check(self) -> None:
            if made and read_rows(made[0]._folder / "epochs.jsonl", EpochRow).rows:
                self.set("SIGTERM")
            super().check()

    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path, *TRIALS, PARALLEL, stop=Stops())
    assert made[0].pids
    assert ends(made[0].pids[0])
    resumed = Campaign(tmp_path, *TRIALS)
    assert losses(resumed) == losses(alone)


@pytest.mark.nightly
def test_two_workers_keep_a_budget_of_flops_together(alone: Campaign, tmp_path: Path) -> None:
    def gflops(rows: list[LedgerRow]) -> float:
        return math.fsum(row.flops or 0.0 for row in rows) / 1e9

    record = alone.record
    assert record.teacher_paid is not None
    assert record.logits_paid is not None
    rows = read_rows(alone.folder / "ledger.jsonl", LedgerRow).rows
    shared = ((record.teacher_paid.flops or 0.0) + (record.logits_paid.flops or 0.0)) / 1e9
    trials = gflops([row for row in rows if row.phase in (Phase.STUDENT_TRAINING, Phase.VALIDATION)])
    finish = gflops([row for row in rows if row.phase in (Phase.TEST, Phase.INFERENCE)])

    # What the other one spends until it says so is held back, which on a slow machine may be most of it.
    limit = shared + 3.5 * trials / 6 + 2 * finish
    stopped = Campaign(tmp_path, *TRIALS, PARALLEL, f"budget.gflops={limit}")
    assert stopped.record.budget_stopped
    assert sum(row.status is TrialStatus.COMPLETE for row in stopped.trials) < 6
    ledgers = [stopped.folder / "ledger.jsonl", *tmp_path.glob("cache/*/*/ledger.jsonl")]
    paid = [
        row
        for path in ledgers
        for row in read_rows(path, LedgerRow).rows
        if path.parent == stopped.folder or row.phase in (Phase.TEACHER_TRAINING, Phase.TEACHER_LOGITS)
    ]
    assert 0 < gflops(paid) <= limit

    larger = Campaign(tmp_path, *TRIALS, PARALLEL, f"budget.gflops={100 * limit}")
    assert losses(larger) == losses(alone)
    assert larger.record.chosen_trial == record.chosen_trial
