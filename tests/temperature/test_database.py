"""Patience with a database that is away, and what happens to a trial meanwhile."""

import warnings
from pathlib import Path

import pytest
import sqlalchemy.exc

from greenkd.errors import DatabaseLostError, StorageError
from greenkd.temperature import OptunaSearch, StrategyStudy, database
from greenkd.temperature.storage import explain_storage_errors


class Flaky:
    """Fails so many times before it succeeds."""

    def __init__(self, failures: int, error: type[Exception] = DatabaseLostError) -> None:
        self.remaining, self.error = failures, error
        self.forgotten = 0

    def forget_connections(self) -> None:
        self.forgotten += 1

    @database.patient
    def work(self, value: int) -> int:
        if self.remaining:
            self.remaining -= 1
            raise self.error("away")
        return value


def test_a_call_is_repeated_until_the_database_is_back(caplog: pytest.LogCaptureFixture) -> None:
    flaky = Flaky(2)
    assert flaky.work(7) == 7
    assert (flaky.remaining, flaky.forgotten) == (0, 2)
    assert [record.getMessage() for record in caplog.records] == ["away\n  waiting up to 5 min for it"]


def test_patience_ends_and_other_errors_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(StorageError, match="away"):
        Flaky(1, StorageError).work(7)

    monkeypatch.setattr(database, "PATIENCE_S", 0.0)
    with pytest.raises(DatabaseLostError, match="away"):
        Flaky(9).work(7)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (sqlalchemy.exc.OperationalError("select", {}, Exception("server closed the connection")), DatabaseLostError),
        (sqlalchemy.exc.PendingRollbackError("cut off"), DatabaseLostError),
        (sqlalchemy.exc.ProgrammingError("select", {}, Exception("no such column")), StorageError),
    ],
)
def test_only_a_loss_is_waited_for(error: Exception, kind: type[StorageError]) -> None:
    with pytest.raises(StorageError) as explained, explain_storage_errors("postgresql://host/studies"):
        raise error
    assert type(explained.value) is kind


def test_a_process_that_takes_a_trial_over_does_not_report_its_epochs_again(tmp_path: Path) -> None:
    search = OptunaSearch(low=1, high=20, n_trials=1, sampler="random", pruner="median")
    first, second = (StrategyStudy(search, tmp_path / "study.db", "campaign", 0, 3) for _ in range(2))
    proposal = first.propose(lambda trial: True)
    assert proposal is not None
    for epoch in range(2):
        first.should_stop(proposal, epoch, 0.5)

    taken_over = second.propose(lambda trial: True)
    assert taken_over is not None
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for epoch in range(3):
            second.should_stop(taken_over, epoch, 0.5)


def test_a_study_under_its_earlier_name_is_gone_on_with(tmp_path: Path) -> None:
    search = OptunaSearch(low=1, high=20, n_trials=2, sampler="random")
    before = StrategyStudy(search, tmp_path / "study.db", "0123456789", 0, 3)
    assert before.propose(lambda trial: True) is not None

    after = StrategyStudy(search, tmp_path / "study.db", "digits/kd/seed0-0123456789", 0, 3, earlier_name="0123456789")
    assert after.running() == [0]
