"""Successive halving: which τ go on, that nothing is trained twice, and that what is chosen is the grid's training."""

from pathlib import Path
from typing import Any

import pytest
import torch

import analysis
from greenkd.errors import ConfigError, TrainingInterruptedError
from greenkd.records import CampaignStatus, LedgerRow, Phase, StrategyKind, TrialStatus, read_rows
from greenkd.training.learner import Learner
from greenkd.training.safetensors_io import load_tensors
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import Campaign, settings

TAUS = "temperature.taus=[1,2,3,4,8,16]"
# Rungs of 1, 2 and 5 epochs: 6, 3 and 1 trainings.
HALVING = ("temperature=halving", TAUS, "temperature.reduction_factor=2", "training.epochs=5", "threads=1")
GRID = ("temperature=grid", TAUS, "training.epochs=5", "threads=1")
TRAINING_IMAGES = 1438 - 287


def trained(campaign: Campaign) -> dict[tuple[int | None, int], tuple[object, ...]]:
    """What each epoch of each trial came to, whatever attempt made it."""
    return {
        (row.trial, row.epoch): (row.lr, row.train_loss, row.val_loss, row.val_score, row.tau_mean)
        for row in campaign.epochs
    }


def last_status(campaign: Campaign) -> dict[int, TrialStatus]:
    return {row.trial: row.status for row in campaign.trials}


def assert_same(campaign: Campaign, reference: Campaign) -> None:
    assert campaign.record.status is CampaignStatus.DONE
    assert trained(campaign) == trained(reference)
    assert last_status(campaign) == last_status(reference)
    assert campaign.record.chosen_trial == reference.record.chosen_trial
    assert campaign.record.tests == reference.record.tests
    ours, theirs = (load_tensors(each.folder / "student.safetensors")[0] for each in (campaign, reference))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("halving")


@pytest.fixture(scope="module")
def halving(root: Path) -> Campaign:
    return Campaign(root, *HALVING)


@pytest.fixture(scope="module")
def grid(root: Path) -> Campaign:
    return Campaign(root, *GRID)


def test_the_better_half_goes_on_and_is_trained_as_in_the_grid(halving: Campaign, grid: Campaign) -> None:
    # Who goes on, by the scores that the grid had after the same epochs
    scores = {(row.trial, row.epoch): (-(row.val_score or 0), row.val_loss, row.trial) for row in grid.epochs}
    going_on = list(range(6))
    expected = {(trial, 0) for trial in going_on}
    for first, last, count in ((1, 2, 3), (2, 5, 1)):
        going_on = sorted(going_on, key=lambda trial: scores[trial, first - 1])[:count]
        expected |= {(trial, epoch) for trial in going_on for epoch in range(first, last)}
    assert trained(halving) == {key: value for key, value in trained(grid).items() if key in expected}

    # The one that remains, to the last bit
    (winner,) = going_on
    assert halving.record.chosen_trial == winner
    assert halving.record.tests == tuple(test for test in grid.record.tests if test.trial == winner)
    assert (halving.record.kind, halving.record.tau_class) == (StrategyKind.SEARCH, "search")


def test_nothing_is_trained_twice_and_all_is_paid_for(root: Path, halving: Campaign, grid: Campaign) -> None:
    ledger = read_rows(halving.folder / "ledger.jsonl", LedgerRow).rows
    training = [row for row in ledger if row.phase is Phase.STUDENT_TRAINING]
    assert sum(row.images for row in training) == (6 * 1 + 3 * 1 + 1 * 3) * TRAINING_IMAGES

    stopped = [row for row in halving.trials if row.status is TrialStatus.PRUNED]
    assert sorted(row.epochs for row in stopped) == [1, 1, 1, 2, 2]
    assert all(row.cause and row.cause.startswith("place ") and row.energy_kwh for row in stopped)
    assert not (halving.folder / "trials").exists()

    # In the frames an attempt stands once, and the campaign is charged every attempt.
    sweep = analysis.load(root / "multirun")
    campaign = sweep.campaigns.set_index("strategy")["campaign"]["halving"]
    attempts = sweep.trials[sweep.trials["campaign"] == campaign]
    assert not attempts.duplicated(["trial", "attempt"]).any()
    assert attempts["status"].value_counts().to_dict() == {"paused": 4, "pruned": 5, "complete": 1}
    of_trials = [row for row in ledger if row.phase in (Phase.STUDENT_TRAINING, Phase.VALIDATION)]
    assert attempts["flops"].sum() == sum(row.flops or 0 for row in of_trials)


@pytest.mark.parametrize(
    "how",
    [
        ("training.bank=false",),
        ("training.parallel_mode=lockstep", "training.parallel_trials=4"),
        ("training.parallel_mode=lockstep", "training.parallel_trials=4", "training.bank=false"),
        pytest.param(("training.parallel_trials=2",), marks=pytest.mark.nightly),
        ("training.validate_every=3",),
    ],
    ids=["no bank", "lockstep", "lockstep without bank", "workers", "seldom validated"],
)
def test_where_and_how_they_are_trained_changes_no_bit(tmp_path: Path, halving: Campaign, how: tuple[str, ...]) -> None:
    other = Campaign(tmp_path, *HALVING, *how)
    if "training.validate_every=3" in how:  # a rung is validated all the same; epochs between rungs are not
        assert other.record.tests == halving.record.tests
        assert last_status(other) == last_status(halving)
    else:
        assert_same(other, halving)


class StopAtRung(StopFlag):
    """Asks for a stop at a step after so many trainings have paused."""

    def __init__(self, root: Path, pauses: int, steps: int) -> None:
        super().__init__()
        self._root, self._pauses, self._left = root, pauses, steps

    def check(self) -> None:
        text = "".join(file.read_text() for file in self._root.rglob("trials.jsonl"))
        trains = any(self._root.rglob("study.db"))
        if trains and text.count('"paused"') == self._pauses:
            self._left -= 1
            if self._left == 0:
                self.set("SIGTERM")
        super().check()


def stopped(root: Path, pauses: int, steps: int) -> Path:
    """Returns the folder of a campaign that was stopped."""
    with pytest.raises(TrainingInterruptedError):
        Campaign(root, *HALVING, stop=StopAtRung(root, pauses, steps))
    (config,) = (root / "multirun").rglob("config.yaml")
    return config.parent


@pytest.mark.parametrize(
    ("pauses", "steps"), [(2, 4), (8, 5), *(pytest.param(*at, marks=pytest.mark.nightly) for at in ((6, 1), (9, 12)))]
)
def test_a_stop_anywhere_changes_nothing(pauses: int, steps: int, tmp_path: Path, halving: Campaign) -> None:
    stopped(tmp_path, pauses, steps)
    assert_same(Campaign(tmp_path, *HALVING), halving)


def test_the_study_s_file_is_built_anew_between_rungs(tmp_path: Path, halving: Campaign) -> None:
    (stopped(tmp_path, 7, 3) / "study.db").unlink()
    assert_same(Campaign(tmp_path, *HALVING), halving)


def test_a_rung_whose_last_row_a_kill_took_is_decided_alike(tmp_path: Path, halving: Campaign) -> None:
    file = stopped(tmp_path, 6, 1) / "trials.jsonl"
    paused = [line for line in file.read_text().splitlines(keepends=True) if '"paused"' in line]
    file.write_text("".join(paused[:-1]))  # the last had its checkpoint, but not its row
    assert_same(Campaign(tmp_path, *HALVING), halving)


def test_a_trial_that_fails_is_left_out_and_takes_its_place_once_it_is_tried_again(
    tmp_path: Path, halving: Campaign, monkeypatch: pytest.MonkeyPatch
) -> None:
    loser = next(row for row in halving.trials if row.status is TrialStatus.PRUNED)
    step = Learner.step

    def failing(self: Learner, epoch: int, number: int, batch: Any, teacher: Any, taus: Any) -> Any:
        if float(taus[0]) == loser.params["tau"]:
            raise RuntimeError("planted")
        return step(self, epoch, number, batch, teacher, taus)

    with monkeypatch.context() as patch:
        patch.setattr(Learner, "step", failing)
        first = Campaign(tmp_path, *HALVING)
    assert first.record.status is CampaignStatus.PARTIAL
    assert last_status(first) == last_status(halving) | {loser.trial: TrialStatus.FAILED}

    again = Campaign(tmp_path, *HALVING, "retry=failed")
    assert_same(again, halving)


def test_mistakes_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"temperature\.min_epochs=5 of 5 epochs"):
        settings(tmp_path, *HALVING, "temperature.min_epochs=5")
    with pytest.raises(ConfigError, match="lists one τ"):
        settings(tmp_path, "temperature=halving", "temperature.taus=[4]")
    with pytest.raises(ConfigError, match=r"temperature\.reduction_factor"):
        settings(tmp_path, *HALVING, "temperature.reduction_factor=1")
    with pytest.raises(ConfigError, match="has no temperature"):
        settings(tmp_path, *HALVING, "objective=none")
