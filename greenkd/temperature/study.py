"""Every strategy is an Optuna study: one loop, one storage, one way to resume and to share work.

Optuna proposes; our own `trials.jsonl` is the truth. A trial has our number (the user attribute `trial`), which a retry
keeps, while Optuna counts every try. A trial that Optuna believes to be running, and that nobody holds, is one whose
process was killed: it is handed out again, to go on from its checkpoint.
"""

import dataclasses
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path

import optuna
import sqlalchemy.exc
from optuna.trial import FrozenTrial, TrialState

from greenkd.errors import StorageError
from greenkd.records import TrialRow, TrialStatus
from greenkd.temperature.strategies import PADDING, Params, Strategy

_STATES = {
    TrialStatus.COMPLETE: TrialState.COMPLETE,
    TrialStatus.PRUNED: TrialState.PRUNED,
    TrialStatus.FAILED: TrialState.FAIL,
}
_TRIAL = "trial"


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

    Raises:
        StorageError: The storage cannot be opened or is damaged.
    """

    def __init__(self, strategy: Strategy, storage: Path | str, name: str, seed: int, epochs: int) -> None:
        self._strategy = strategy
        self._seed = seed
        self._where = str(storage)
        self._space = strategy.space()
        pruner = strategy.make_pruner(epochs)
        self._prunes = not isinstance(pruner, optuna.pruners.NopPruner)
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
        url = f"sqlite:///{storage}" if isinstance(storage, Path) else storage
        try:
            self._study = optuna.create_study(
                storage=url,
                study_name=name,
                direction="maximize",
                pruner=pruner,
                load_if_exists=True,
            )
            self._study.set_metric_names(["validation accuracy"])
            self._enqueue_missing()
        except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
            raise StorageError(
                f"{self._where}: the Optuna study cannot be used ({_first_line(error)}); "
                "move the file away and run the command again: finished trials are taken from trials.jsonl"
            ) from error

    def _enqueue_missing(self) -> None:
        present = self._numbers()
        for number, params in enumerate(self._strategy.queue()):
            if number not in present:
                self._study.enqueue_trial(params, user_attrs={_TRIAL: number})

    def _numbers(self) -> dict[int, FrozenTrial]:
        """Our trial numbers, each with its latest try."""
        return {trial.user_attrs[_TRIAL]: trial for trial in self._trials() if _TRIAL in trial.user_attrs}

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def reconcile(self, rows: Iterable[TrialRow]) -> None:
        """Brings the study in line with our records, which are the truth.

        A recorded trial that the study still calls running is told; one that the study has lost is added.
        """
        present = self._numbers()
        for row in rows:
            if row.status not in _STATES:
                continue
            state = _STATES[row.status]
            known = present.get(row.trial)
            if known is None or (known.state.is_finished() and known.state != state):
                self._study.add_trial(self._lost(row, state))
            elif not known.state.is_finished():
                if known.state == TrialState.WAITING:
                    known = self._pop(row.trial)
                values = row.val_accuracy if state == TrialState.COMPLETE else None
                self._study.tell(known.number, values, state=state)

    def _pop(self, number: int) -> FrozenTrial:
        """Turns a waiting trial into a running one, by asking until it comes."""
        while True:
            asked = self._study.ask(self._space)
            if asked.user_attrs.get(_TRIAL) == number:
                return self._numbers()[number]

    def _lost(self, row: TrialRow, state: TrialState) -> FrozenTrial:
        params = {key: value for key, value in row.params.items() if key in self._space}
        complete_params = len(params) == len(self._space)
        return optuna.trial.create_trial(
            state=state,
            value=row.val_accuracy if state == TrialState.COMPLETE else None,
            params=params if complete_params else {},
            distributions=self._space if complete_params else {},
            user_attrs={_TRIAL: row.trial},
        )

    def propose(self, claim: Callable[[int], bool]) -> Proposal | None:
        """Hands out the next trial, or None when all are finished or held by others.

        Args:
            claim: Tries to take a trial for this process; False if another process holds it.
        """
        for number, trial in sorted(self._numbers().items()):
            if trial.state == TrialState.RUNNING and claim(number):
                return self._proposal(number, optuna.Trial(self._study, trial._trial_id))
        waiting = any(trial.state == TrialState.WAITING for trial in self._trials())
        number = len(self._numbers())
        if not waiting and number >= self._strategy.planned_trials():
            return None
        self._study.sampler = self._strategy.make_sampler(self._seed, number)
        handle = self._study.ask(self._space)
        number = handle.user_attrs.setdefault(_TRIAL, number)
        handle.set_user_attr(_TRIAL, number)
        if not claim(number):
            raise StorageError(f"{self._where}: trial {number} was just handed out, yet another process holds it")
        return self._proposal(number, handle)

    def _proposal(self, number: int, handle: optuna.Trial) -> Proposal:
        params: Params = {key: value for key, value in handle.params.items() if key != PADDING}
        return Proposal(number, params, handle)

    def finished(self) -> bool:
        """Tells whether every planned trial has ended, whoever ran it."""
        trials = self._numbers().values()
        return len(trials) >= self._strategy.planned_trials() and all(trial.state.is_finished() for trial in trials)

    def should_stop(self, proposal: Proposal, epoch: int, val_accuracy: float) -> bool:
        """Reports one epoch's validation accuracy; True if the pruner wants the training stopped."""
        if not self._prunes:
            return False  # a report is a transaction on disk, too dear for a number nobody asks for
        proposal.handle.report(val_accuracy, epoch)
        return bool(proposal.handle.should_prune())

    def tell(self, proposal: Proposal, status: TrialStatus, val_accuracy: float | None) -> None:
        """Closes a trial in the study."""
        state = _STATES[status]
        value = val_accuracy if state == TrialState.COMPLETE else None
        self._study.tell(proposal.handle, value, state=state, skip_if_finished=True)

    def retry(self, rows: Iterable[TrialRow]) -> None:
        """Queues the recorded failures again, under their old numbers."""
        present = self._numbers()
        for row in rows:
            if row.status is TrialStatus.FAILED and present[row.trial].state.is_finished():
                self._study.enqueue_trial(present[row.trial].params, user_attrs={_TRIAL: row.trial})


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
