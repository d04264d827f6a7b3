"""Trials in lockstep equal trials run alone, cost one teacher pass, and do not fall with each other."""

import time
from pathlib import Path

import pytest
import torch

from greenkd.errors import ConfigError, TrainingInterruptedError
from greenkd.records import CampaignStatus, LedgerRow, Phase, TrialStatus, read_rows
from greenkd.temperature import StrategyStudy
from greenkd.training.backend.placement import place_trials
from greenkd.training.backend.threads import available_threads
from greenkd.training.safetensors_io import load_tensors
from tests.campaigns import Campaign, StopAfter

CRD = ("objective=crd", "objective.negatives=64", "temperature=grid", "temperature.taus=[2,4,8]")
LOCKSTEP = ("training.parallel_mode=lockstep", "training.parallel_trials=3")
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("alone"), *CRD)


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("together"), *CRD, *LOCKSTEP)


def all_ledgers(root: Path) -> list[LedgerRow]:
    paths = [*root.glob("multirun/**/ledger.jsonl"), *root.glob("cache/*/*/ledger.jsonl")]
    return [row for path in paths for row in read_rows(path, LedgerRow).rows]


def results(campaign: Campaign) -> dict[tuple[int | None, int], tuple[float, float | None]]:
    return {(row.trial, row.epoch): (row.train_loss, row.val_loss) for row in campaign.epochs}


def ledger(campaign: Campaign) -> list[LedgerRow]:
    return read_rows(campaign.folder / "ledger.jsonl", LedgerRow).rows


def training(campaign: Campaign) -> list[LedgerRow]:
    return [row for row in ledger(campaign) if row.phase is Phase.STUDENT_TRAINING]


def test_lockstep_equals_alone_to_the_last_bit(alone: Campaign, together: Campaign) -> None:
    assert results(together) == results(alone)
    assert len(results(alone)) == 3 * 2
    assert together.record.tests == alone.record.tests
    ours, _ = load_tensors(together.folder / "student.safetensors")
    theirs, _ = load_tensors(alone.folder / "student.safetensors")
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_the_bank_is_read_in_lockstep_too(tmp_path: Path) -> None:
    grid = ("temperature=grid", "temperature.taus=[2,6]")
    first = Campaign(tmp_path / "alone", *grid)
    second = Campaign(tmp_path / "together", *grid, *LOCKSTEP)
    assert results(second) == results(first)
    rows = read_rows(next((tmp_path / "together").glob("cache/logits/*/ledger.jsonl")), LedgerRow).rows
    assert sum(row.images for row in rows) == 2 * (1438 - 287), "one pass of the teacher per epoch"


def test_the_teacher_is_asked_once_for_all(alone: Campaign, together: Campaign) -> None:
    teacher = alone.record.teacher_result
    assert teacher is not None
    forward = teacher.network.forward_flops_per_image
    assert forward is not None
    images = 2 * (1438 - 287)
    saved = sum(row.flops or 0 for row in training(alone)) - sum(row.flops or 0 for row in training(together))
    assert saved == pytest.approx(2 * images * forward)  # two of three passes
    assert sum(row.images for row in training(together)) == 3 * images


def test_what_is_spent_together_is_shared_equally(together: Campaign) -> None:
    per_trial = {row.trial: row for row in together.trials}
    assert len(per_trial) == 3
    for field in ("duration_s", "cpu_s", "energy_kwh"):
        shares = [getattr(row, field) for row in training(together)]
        assert max(shares) == pytest.approx(min(shares), rel=1e-6), field
        assert sum(shares) > 0


def test_nobodys_seconds_are_counted_twice(tmp_path: Path) -> None:
    started = time.monotonic()
    Campaign(tmp_path, "temperature=grid", "temperature.taus=[2,4,8]", *LOCKSTEP)
    elapsed_s = time.monotonic() - started
    rows = all_ledgers(tmp_path)
    trained = [row for row in rows if row.phase is Phase.STUDENT_TRAINING]
    assert len({row.trial for row in trained}) == 3
    assert 0 < sum(row.duration_s for row in trained) < sum(row.duration_s for row in rows) <= elapsed_s


def test_a_stop_leaves_checkpoints_of_all_and_the_rest_goes_on(alone: Campaign, tmp_path: Path) -> None:
    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path, *CRD, *LOCKSTEP, stop=StopAfter(30))
    stopped = Campaign(tmp_path, *CRD, *LOCKSTEP)
    assert [row.status for row in stopped.trials[:3]] == [TrialStatus.INTERRUPTED] * 3
    assert [row.status for row in stopped.trials[3:]] == [TrialStatus.COMPLETE] * 3
    assert results(stopped) == results(alone)


def test_trials_that_resume_from_different_steps_catch_up(alone: Campaign, tmp_path: Path) -> None:
    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path, *CRD, stop=StopAfter(24))  # in the first trial, one after the other
    resumed = Campaign(tmp_path, *CRD, *LOCKSTEP)
    assert resumed.trials[0].status is TrialStatus.INTERRUPTED
    assert results(resumed) == results(alone)
    epoch = 1438 - 287
    assert sum(row.images for row in training(resumed)) == 3 * 2 * epoch, "no step was made twice"


def test_one_that_fails_does_not_take_the_others_along(
    alone: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from greenkd.training.learner import Learner

    step = Learner.step

    def fails_at_tau_4(self: Learner, epoch: int, number: int, *rest: object) -> object:
        if epoch == 1 and number == 3 and float(rest[2][0]) == 4:  # type: ignore[index]
            raise RuntimeError("a broken student")
        return step(self, epoch, number, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(Learner, "step", fails_at_tau_4)
    campaign = Campaign(tmp_path, *CRD, *LOCKSTEP)
    assert campaign.record.status is CampaignStatus.PARTIAL
    ended = {row.trial: row for row in campaign.trials}
    assert [ended[trial].status for trial in range(3)] == [
        TrialStatus.COMPLETE,
        TrialStatus.FAILED,
        TrialStatus.COMPLETE,
    ]
    assert ended[1].cause == "RuntimeError: a broken student"
    assert (ended[1].energy_kwh or 0) > 0
    kept = {key: value for key, value in results(alone).items() if key != (1, 1)}
    assert results(campaign) == kept


def test_a_pruned_trial_leaves_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(StrategyStudy, "should_stop", lambda self, proposal, epoch, accuracy: proposal.trial == 1)
    campaign = Campaign(tmp_path, "temperature=grid", "temperature.taus=[2,4,8]", *LOCKSTEP)
    assert {row.trial: (row.status, row.epochs) for row in campaign.trials} == {
        0: (TrialStatus.COMPLETE, 2),
        1: (TrialStatus.PRUNED, 1),
        2: (TrialStatus.COMPLETE, 2),
    }


def test_how_trials_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    gpu, first = torch.device("cuda"), torch.device("cuda:1")
    assert place_trials(4, "auto", 2, CPU) == (("cpu", "cpu"), 1)
    assert place_trials(1, "auto", 19, CPU) == (("cpu",), 1)
    assert place_trials("auto", "auto", 19, CPU) == (("cpu",) * available_threads(), 1)
    assert place_trials(4, "lockstep", 19, CPU) == (("cpu",), 4)
    assert place_trials("auto", "lockstep", 3, CPU) == (("cpu",), 3)
    assert place_trials(8, "auto", 19, gpu) == (("cuda", "cuda:1", "cuda:2"), 3)
    assert place_trials(2, "auto", 19, gpu) == (("cuda", "cuda:1"), 1)
    assert place_trials(8, "auto", 19, first) == (("cuda:1",), 8)
    assert place_trials(1, "auto", 19, gpu) == (("cuda",), 1)
    with pytest.raises(ConfigError, match="parallel_mode=processes"):
        place_trials(2, "processes", 19, gpu)
