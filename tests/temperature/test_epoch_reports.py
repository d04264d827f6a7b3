"""A study that is lost is built anew with the epochs on record: pruner and sampler go on as if nothing had happened."""

import dataclasses
from pathlib import Path

import pytest

from greenkd.records import EpochRow, TrialRow, TrialStatus
from greenkd.records.trial import ParamValue
from greenkd.temperature import Proposal, StrategyStudy
from greenkd.temperature.epoch_reports import failure_before, recorded_scores
from greenkd.temperature.optuna_search import OptunaSearch
from tests.rows import trial_row

EPOCHS = 5


def epoch_row(trial: int, epoch: int, val_score: float | None, attempt: int = 0) -> EpochRow:
    return EpochRow(
        trial=trial,
        attempt=attempt,
        epoch=epoch,
        lr=0.1,
        tau_mean=4.0,
        train_loss=1.0,
        train_score=0.5,
        val_loss=1.0,
        val_score=val_score,
        duration_s=1.0,
    )


def _row(trial: int, attempt: int, status: TrialStatus, params: dict[str, ParamValue], epochs: int) -> TrialRow:
    return trial_row(trial, attempt=attempt, status=status, params=params, epochs=epochs, val_score=None)


class Campaign:
    """Trains nothing, and keeps what a campaign has on record; the score is a function of τ and epoch."""

    def __init__(self, search: OptunaSearch, folder: Path) -> None:
        folder.mkdir()
        self.search, self.file = search, folder / "study.db"
        self.trials: list[TrialRow] = []
        self.epochs: list[EpochRow] = []
        self.open()

    def open(self) -> None:
        self.study = StrategyStudy(self.search, self.file, "campaign", 0, EPOCHS, epoch_rows=lambda: list(self.epochs))
        self.study.reconcile(lambda: list(self.trials))

    def lose_study(self) -> None:
        self.study.forget_connections()
        self.file.unlink()
        self.open()

    def train(self, proposal: Proposal, first: int = 0, until: int = EPOCHS) -> None:
        status, score = TrialStatus.COMPLETE, 0.0
        for epoch in range(first, until):
            # The larger τ, the slower it rises: a τ that is good in the end is hopeless at first.
            tau = float(proposal.params["tau"])
            score = (0.5 + tau / 60) * (1 - 1 / (1 + epoch * 4 / tau)) + 0.02 * ((proposal.trial * 7 + epoch) % 5)
            self.epochs.append(epoch_row(proposal.trial, epoch, score))
            if self.study.should_stop(proposal, epoch, score):
                status = TrialStatus.PRUNED
                break
        else:
            if until < EPOCHS:
                return  # its process was killed

        row = _row(proposal.trial, 0, status, proposal.params, self.epochs[-1].epoch + 1)
        self.trials.append(dataclasses.replace(row, val_score=score))
        self.study.tell(proposal, status, score)

    def run(self, limit: int) -> None:
        for _ in range(limit):
            proposal = self.study.propose(lambda _: True)
            if proposal is None:
                return
            self.train(proposal)

    def ends(self) -> list[tuple[int, TrialStatus, dict[str, ParamValue], int]]:
        return [(row.trial, row.status, row.params, row.epochs) for row in self.trials]


@pytest.mark.parametrize("pruner", [pytest.param("hyperband", marks=pytest.mark.nightly), "median"])
def test_a_lost_study_prunes_and_proposes_as_if_it_had_not_been_lost(tmp_path: Path, pruner: str) -> None:
    search = OptunaSearch(n_trials=14, pruner=pruner)
    whole, broken = Campaign(search, tmp_path / "whole"), Campaign(search, tmp_path / "broken")
    whole.run(14)

    broken.run(9)
    broken.lose_study()
    broken.run(14)

    assert broken.ends() == whole.ends()
    assert {status for _, status, _, _ in whole.ends()[9:]} == {TrialStatus.COMPLETE, TrialStatus.PRUNED}
    before, after = (
        [(each.value, each.intermediate_values) for each in kept.study._all_tries()] for kept in (whole, broken)
    )
    assert after == before


def test_a_trial_that_was_killed_and_lost_gets_its_turn_its_parameters_and_its_epochs_back(tmp_path: Path) -> None:
    search = OptunaSearch(n_trials=8, pruner="hyperband", sampler="qmc")
    whole, broken = Campaign(search, tmp_path / "whole"), Campaign(search, tmp_path / "broken")
    whole.run(8)
    killed = next(row.trial for row in whole.trials[2:] if row.status is TrialStatus.COMPLETE)

    broken.run(killed)
    proposal = broken.study.propose(lambda _: True)
    assert proposal is not None
    broken.train(proposal, until=4)
    other = broken.study.propose(lambda trial: trial != killed)  # of another process
    assert other is not None
    broken.train(other)
    broken.lose_study()

    resumed = broken.study.propose(lambda _: True)
    assert resumed is not None
    assert (resumed.trial, resumed.params) == (killed, proposal.params)
    assert resumed.reported == frozenset(range(4))
    broken.train(resumed, first=4)
    broken.run(8)
    assert {row.trial: row.params for row in broken.trials} == {row.trial: row.params for row in whole.trials}


def test_epochs_before_a_failure_do_not_count() -> None:
    rows = [
        _row(3, 0, TrialStatus.FAILED, {}, 2),
        _row(4, 5, TrialStatus.FAILED, {}, 2),
        _row(3, 2, TrialStatus.COMPLETE, {}, 3),
    ]
    assert [failure_before(row, rows) for row in rows] == [-1, -1, 0]

    epochs = [epoch_row(3, epoch, 0.1) for epoch in range(4)]
    epochs += [epoch_row(3, 0, None, 1), epoch_row(3, 1, 0.2, 1), epoch_row(3, 1, 0.3, 2), epoch_row(4, 2, 0.4, 2)]
    assert recorded_scores(epochs, 3, after=0) == {1: 0.3}
