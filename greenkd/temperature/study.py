"""Every strategy is an Optuna study: one loop, one storage, one way to resume and to share work.

Optuna proposes; our own `trials.jsonl` is the truth. A trial has our number (the user attribute `trial`), which a retry
keeps, while Optuna counts every try. A trial that Optuna believes to be running, and that nobody holds, is one whose
process was killed: it is handed out again, to go on from its checkpoint.
"""

import contextlib
import dataclasses
import logging
import sqlite3
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import optuna
import sqlalchemy.engine
import sqlalchemy.exc
from optuna.trial import FrozenTrial, TrialState

from greenkd.errors import StorageError
from greenkd.records import TrialRow, TrialStatus
from greenkd.temperature.strategies import PADDING, Params, Strategy

log = logging.getLogger(__name__)

# Another process, or a dashboard, may hold the SQLite file for a moment.
LOCK_TIMEOUT_S = 60

_STATES = {
    TrialStatus.COMPLETE: TrialState.COMPLETE,
    TrialStatus.PRUNED: TrialState.PRUNED,
    TrialStatus.FAILED: TrialState.FAIL,
}
_STORAGE_ERRORS = (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError)
_TRIAL = "trial"
_AFTER = "after_attempt"  # of a trial that is queued again: the recorded attempt that it comes after


@dataclasses.dataclass(frozen=True)
class Proposal:
    """A trial to run: our number, its parameters, and Optuna's handle."""

    trial: int
    params: Params
    handle: optuna.Trial


class StrategyStudy:
    """One strategy's study.

    Args:
        strategy: Proposes trials and their sampler and pruner.
        storage: An SQLite file, or the URL of a database that several machines share.
        name: The study's name in that storage.
        seed: The campaign's seed.
        epochs: Epochs of a whole training, the pruner's largest resource.

    A damaged SQLite file is set aside and built anew, which `reconcile` fills from our records.

    Raises:
        StorageError: The storage cannot be opened.
    """

    def __init__(self, strategy: Strategy, storage: Path | str, name: str, seed: int, epochs: int) -> None:
        self._strategy = strategy
        self._seed = seed
        self._where = str(storage) if isinstance(storage, Path) else _without_password(storage)
        self._space = strategy.space()
        pruner = strategy.make_pruner(epochs)
        self._prunes = not isinstance(pruner, optuna.pruners.NopPruner)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        if isinstance(storage, Path) and _is_damaged(storage):
            _set_aside(storage)
        with self._usable():
            self._study = optuna.create_study(
                storage=_open(storage),
                study_name=name,
                direction="maximize",
                pruner=pruner,
                load_if_exists=True,
            )
            self._study.set_metric_names(["validation accuracy"])
            for number, params in enumerate(strategy.queue()):
                if number not in self._numbers():
                    self._enqueue(number, params)

    @contextlib.contextmanager
    def _usable(self) -> Iterator[None]:
        """Says what to do where the storage fails."""
        try:
            yield
        except ImportError as error:
            raise StorageError(f"storage={self._where}: its driver is not installed ({error})") from error
        except _STORAGE_ERRORS as error:
            raise StorageError(
                f"{self._where}: the Optuna study cannot be used ({_first_line(error)}); free space, make it writable, "
                "or close the program that holds it, and run the same command again: no finished trial is lost"
            ) from error

    def _enqueue(self, number: int, params: Params, after: int = -1) -> None:
        self._study.enqueue_trial(params, user_attrs={_TRIAL: number, _AFTER: after})

    def _numbers(self) -> dict[int, FrozenTrial]:
        """Our trial numbers, each with its latest try."""
        return {trial.user_attrs[_TRIAL]: trial for trial in self._trials() if _TRIAL in trial.user_attrs}

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def reconcile(self, records: Callable[[], Iterable[TrialRow]]) -> None:
        """Brings the study in line with our records, which are the truth.

        A recorded trial that the study still calls running is told; one that the study has lost is added, by asking
        the sampler again, so that its state comes back too; one that is told but not recorded is queued again.

        Args:
            records: Reads the last row of every trial. Called after a look at the study: a process writes its row
                before it tells the study, so what was told by then is on record.
        """
        with self._usable():
            numbers = self._numbers()
            told = [number for number, trial in numbers.items() if trial.state.is_finished()]
            rows = {row.trial: row for row in records()}
            for number, row in sorted(rows.items()):
                known = numbers.get(number)
                if row.status in _STATES:
                    self._close(row, known)
                elif known is None:
                    self._enqueue(number, row.params)
            for number in told:
                if number not in rows:
                    log.warning("trial %d has no row in trials.jsonl, though the study calls it finished", number)
                    self._enqueue(number, numbers[number].params)

    def _close(self, row: TrialRow, known: FrozenTrial | None) -> None:
        """Ends a trial as it is recorded; `known` is what the study holds of it."""
        state = _STATES[row.status]
        if known is not None and known.user_attrs.get(_AFTER, -1) >= row.attempt:
            return  # queued again since then
        if known is None or (known.state.is_finished() and known.state != state):
            self._enqueue(row.trial, row.params)
            known = self._numbers()[row.trial]
        if known.state == TrialState.WAITING:
            known = self._pop(row.trial)
        if not known.state.is_finished():
            values = row.val_score if state == TrialState.COMPLETE else None
            self._end(known.number, values, state)

    def _end(self, trial: optuna.Trial | int, value: float | None, state: TrialState) -> None:
        """Tells the study; another process may tell it the same at the same moment."""
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            self._study.tell(trial, value, state=state, skip_if_finished=True)

    def _pop(self, number: int) -> FrozenTrial:
        """Turns a waiting trial into a running one, by asking until it comes."""
        while (trial := self._numbers()[number]).state == TrialState.WAITING:
            self._ask()
        return trial

    def _ask(self) -> optuna.Trial:
        """Takes the first waiting trial."""
        waiting = next(trial for trial in self._trials() if trial.state == TrialState.WAITING)
        self._study.sampler = self._strategy.make_sampler(self._seed, waiting.user_attrs[_TRIAL])
        handle = self._study.ask(self._space)
        _ = handle.relative_params  # a sequence moves on by one place, even where the parameters were given
        return handle

    def propose(self, claim: Callable[[int], bool]) -> Proposal | None:
        """Hands out the next trial, or None when all are finished or held by others.

        Args:
            claim: Tries to take a trial for this process; False if another process holds it.
        """
        with self._usable():
            for number, trial in sorted(self._numbers().items()):
                if trial.state != TrialState.RUNNING or not claim(number):
                    continue
                if self._numbers()[number].state == TrialState.RUNNING:  # not ended just before it could be claimed
                    return self._resumed(number, trial)
            numbers = self._numbers()
            if not any(trial.state == TrialState.WAITING for trial in numbers.values()):
                free = (number for number in range(self._strategy.planned_trials()) if number not in numbers)
                number = next(free, -1)
                if number < 0:
                    return None
                # Queued before it is asked for, so that it has its number from the first moment.
                self._enqueue(number, {})
            handle = self._ask()
            number = handle.user_attrs[_TRIAL]
            return self._proposal(number, handle) if claim(number) else None

    def _resumed(self, number: int, trial: FrozenTrial) -> Proposal:
        self._study.sampler = self._strategy.make_sampler(self._seed, number)
        handle = optuna.Trial(self._study, trial._trial_id)
        for name, distribution in self._space.items():
            handle._suggest(name, distribution)  # known already, unless the process was killed while it asked
        return self._proposal(number, handle)

    def _proposal(self, number: int, handle: optuna.Trial) -> Proposal:
        params: Params = {key: value for key, value in handle.params.items() if key != PADDING}
        return Proposal(number, params, handle)

    def finished(self) -> bool:
        """Tells whether every planned trial has ended, whoever ran it."""
        with self._usable():
            trials = self._numbers().values()
        return len(trials) >= self._strategy.planned_trials() and all(trial.state.is_finished() for trial in trials)

    def should_stop(self, proposal: Proposal, epoch: int, val_score: float) -> bool:
        """Reports one epoch's validation accuracy; True if the pruner wants the training stopped."""
        if not self._prunes:
            return False  # a report is a transaction on disk, too dear for a number nobody asks for
        with self._usable():
            proposal.handle.report(val_score, epoch)
            return bool(proposal.handle.should_prune())

    def tell(self, proposal: Proposal, status: TrialStatus, val_score: float | None) -> None:
        """Closes a trial in the study."""
        state = _STATES[status]
        value = val_score if state == TrialState.COMPLETE else None
        with self._usable():
            self._end(proposal.handle, value, state)

    def retry(self, rows: Iterable[TrialRow]) -> None:
        """Queues the recorded failures again, under their old numbers."""
        for row in rows:
            if row.status is TrialStatus.FAILED:
                self.again(row)

    def again(self, row: TrialRow) -> None:
        """Queues a recorded trial again, under its old number, unless it is queued or running already."""
        with self._usable():
            known = self._numbers()[row.trial]
            if known.state.is_finished():
                self._enqueue(row.trial, known.params, after=row.attempt)


def _open(storage: Path | str) -> optuna.storages.RDBStorage:
    if isinstance(storage, Path):
        waiting = {"connect_args": {"timeout": LOCK_TIMEOUT_S}}
        return optuna.storages.RDBStorage(f"sqlite:///{storage}", engine_kwargs=waiting)
    return optuna.storages.RDBStorage(storage)


def _without_password(url: str) -> str:
    try:
        return sqlalchemy.engine.make_url(url).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError as error:
        raise StorageError(f"storage: is no URL of a database ({error}); give postgresql://user@host/name") from error


def _is_damaged(file: Path) -> bool:
    """Tells whether a file is no SQLite database, or a broken one."""
    if not file.exists():
        return False
    try:
        with contextlib.closing(sqlite3.connect(file, timeout=LOCK_TIMEOUT_S)) as database:
            return bool(database.execute("PRAGMA quick_check").fetchone() != ("ok",))
    except sqlite3.OperationalError as error:
        raise StorageError(
            f"{file}: cannot be opened ({error}); close the program that holds it, or make it writable"
        ) from error
    except sqlite3.DatabaseError:
        return True


def _set_aside(file: Path) -> None:
    aside = file.with_name(f"{file.name}.damaged")
    log.warning("%s: is damaged; set aside as %s, and built anew from trials.jsonl", file, aside.name)
    try:
        file.replace(aside)
        for name in ("-journal", "-wal", "-shm"):
            file.with_name(f"{file.name}{name}").unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{file}: is damaged and cannot be renamed ({error.strerror})") from error


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
