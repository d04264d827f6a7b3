"""Every strategy is an Optuna study: one loop, one storage, one way to resume and to share work.

Optuna proposes; our own `trials.jsonl` is the truth. A trial has our number (the user attribute `trial`), which a retry
keeps, while Optuna counts every try. A trial that Optuna believes to be running, and that nobody holds, is one whose
process was killed: it is handed out again, to go on from its checkpoint.
"""

import contextlib
import logging
from collections.abc import Callable, Iterable
from pathlib import Path

import optuna
from optuna.trial import FrozenTrial, TrialState

from greenkd.records import EpochRow, TrialRow, TrialStatus
from greenkd.temperature.database import patient
from greenkd.temperature.epoch_reports import failure_before, recorded_scores, report_missing
from greenkd.temperature.optuna_search import PADDING
from greenkd.temperature.own_samplers import ChecksState, WeighsEnergy, energy_by_trial
from greenkd.temperature.proposal import Proposal
from greenkd.temperature.storage import (
    describe_storage,
    explain_storage_errors,
    open_study,
    prepare_storage,
    set_aside,
)
from greenkd.temperature.strategies import Params, Strategy

log = logging.getLogger(__name__)

_STATES = {
    TrialStatus.COMPLETE: TrialState.COMPLETE,
    TrialStatus.PRUNED: TrialState.PRUNED,
    TrialStatus.FAILED: TrialState.FAIL,
}
_NUMBER = "trial"  # user attribute: our number of the trial
_AFTER = "after_attempt"  # user attribute of a trial that is queued again: the recorded attempt that it comes after


class StrategyStudy:
    """One strategy's study.

    An SQLite file that is damaged, or of another version of Optuna, or that holds a damaged or foreign state of CMA-ES,
    is set aside, and a new one made, which `reconcile` fills from our records.

    Args:
        strategy: Proposes trials and their sampler and pruner.
        storage: An SQLite file, or the URL of a database that several machines share.
        name: The study's name in that storage.
        seed: The campaign's seed.
        epochs: Epochs of a whole training, the pruner's largest resource.
        earlier_name: What an earlier version would have called it; a study of that name is gone on with.
        epoch_rows: Reads the recorded epochs of all trials, which a pruner needs of those that the study has lost.

    Raises:
        StorageError: The storage cannot be opened.
    """

    def __init__(
        self,
        strategy: Strategy,
        storage: Path | str,
        name: str,
        seed: int,
        epochs: int,
        *,
        earlier_name: str | None = None,
        epoch_rows: Callable[[], Iterable[EpochRow]] = tuple,
    ) -> None:
        self._strategy = strategy
        self._seed = seed
        self._storage = describe_storage(storage)
        self._space = strategy.space()
        self._energy_kwh: dict[int, float] = {}
        self._epoch_rows = epoch_rows
        pruner = strategy.make_pruner(epochs)
        self._prunes = not isinstance(pruner, optuna.pruners.NopPruner)

        prepare_storage(storage)
        with explain_storage_errors(self._storage):
            self._database, self._study = open_study(storage, name, earlier_name, pruner)

            # A sampler's state that cannot be gone on from; that of a shared database is named when it is asked for.
            problem = self._state_problem() if isinstance(storage, Path) else None
            if isinstance(storage, Path) and problem is not None:
                self.forget_connections()
                set_aside(storage, problem)
                self._database, self._study = open_study(storage, name, earlier_name, pruner)

            queue, queued = strategy.queue(), self._latest_tries()  # nobody else queues while a study is opened
            for number in strategy.trial_order(seed):
                if number not in queued:
                    self._enqueue(number, queue[number])

    def forget_connections(self) -> None:
        """Closes all connections to the storage; the next use opens new ones."""
        self._database.remove_session()
        self._database.engine.dispose()

    @patient
    def propose(self, claim: Callable[[int], bool]) -> Proposal | None:
        """Hands out the next trial, or None when all are finished or held by others.

        Args:
            claim: Tries to take a trial for this process; True if this process has it, False if another does.
        """
        with explain_storage_errors(self._storage):
            # A trial that is running, and that can be claimed, was left behind by a process that was killed.
            for number, trial in self._latest_tries().items():
                if trial.state != TrialState.RUNNING or not claim(number):
                    continue
                # Its process may have ended it just before it could be claimed.
                if self._latest_tries()[number].state == TrialState.RUNNING:
                    return self._resume(number, trial)

            # One that is queued, but is not to be had, was begun before the study was lost.
            while True:
                tries = self._latest_tries()
                if not any(trial.state == TrialState.WAITING for trial in tries.values()):
                    number = next((place for place in range(self._strategy.planned_trials()) if place not in tries), -1)
                    if number < 0:
                        return None
                    # Queued before it is asked for, so that it has its number from the first moment.
                    self._enqueue(number, {})

                handle = self._start_waiting_trial()
                number = handle.user_attrs[_NUMBER]
                if claim(number):
                    return self._hand_out(number, handle)

    @patient
    def should_stop(self, proposal: Proposal, epoch: int, val_score: float) -> bool:
        """Reports one epoch's validation score; True if the pruner wants the training stopped."""
        # A report is a transaction on disk, too expensive for a number that nobody asks for.
        if not self._prunes:
            return False

        with explain_storage_errors(self._storage):
            if epoch not in proposal.reported:
                proposal.handle.report(val_score, epoch)
            return bool(proposal.handle.should_prune())

    @patient
    def tell(self, proposal: Proposal, status: TrialStatus, val_score: float | None) -> None:
        """Ends a trial in the study.

        Args:
            proposal: The trial.
            status: How it ended; not interrupted, which leaves a trial running.
            val_score: Its validation score at the last epoch; counts for a complete trial only.
        """
        with explain_storage_errors(self._storage):
            self._end(proposal.handle, val_score, _STATES[status])

    @patient
    def running(self) -> list[int]:
        """Returns the trials that have begun and not ended, those of killed processes included."""
        with explain_storage_errors(self._storage):
            tries = self._latest_tries()
        return [number for number, trial in tries.items() if trial.state == TrialState.RUNNING]

    @patient
    def finished(self) -> bool:
        """Tells whether every planned trial has ended, whoever ran it."""
        with explain_storage_errors(self._storage):
            tries = self._latest_tries().values()
        return len(tries) >= self._strategy.planned_trials() and all(trial.state.is_finished() for trial in tries)

    def retry(self, rows: Iterable[TrialRow]) -> None:
        """Queues the recorded failures again, under their old numbers."""
        for row in rows:
            if row.status is TrialStatus.FAILED:
                self.again(row)

    @patient
    def again(self, row: TrialRow) -> None:
        """Queues a recorded trial again, under its old number, unless it is queued or running already."""
        with explain_storage_errors(self._storage):
            latest = self._latest_tries()[row.trial]
            if latest.state.is_finished():
                self._enqueue(row.trial, latest.params, after=row.attempt)

    @patient
    def reconcile(self, records: Callable[[], Iterable[TrialRow]]) -> None:
        """Brings the study in line with our records, which are the truth.

        A recorded trial that the study still calls running is ended. One that the study has lost is added, by asking
        the sampler again, so that the sampler's state comes back too. One that the study calls finished, but that is
        not recorded, is queued again.

        Args:
            records: Reads all rows of the trials, in the order in which they were written. Called after a look at the
                study: a process writes its row before it tells the study, so what was told by then is on record.
        """
        with explain_storage_errors(self._storage):
            tries = self._latest_tries()
            finished = [number for number, trial in tries.items() if trial.state.is_finished()]
            every_row = list(records())
            rows = {row.trial: row for row in every_row}
            self._energy_kwh = energy_by_trial(every_row)

            for number in range(max(rows, default=-1) + 1):
                latest = tries.get(number)
                if number in rows and rows[number].status in _STATES:
                    self._end_as_recorded(rows[number], latest, failure_before(rows[number], every_row))
                elif latest is None and number in rows:
                    self._enqueue(number, rows[number].params, failure_before(rows[number], every_row))
                elif latest is None:  # it was killed; in its turn it is given what it was given before
                    self._enqueue(number, {})

            for number in finished:
                if number not in rows:
                    log.warning("trial %d has no row in trials.jsonl, though the study calls it finished", number)
                    self._enqueue(number, tries[number].params)

    def _end_as_recorded(self, row: TrialRow, latest: FrozenTrial | None, failure: int) -> None:
        """Ends a trial as its row says; `latest` is its latest try in the study, `failure` the attempt it follows."""
        state = _STATES[row.status]
        queued_again_since = latest is not None and latest.user_attrs.get(_AFTER, -1) >= row.attempt
        if queued_again_since:
            return

        # Asked for once more where the study has lost it, or ended it in another way.
        if latest is None or (latest.state.is_finished() and latest.state != state):
            self._enqueue(row.trial, row.params, failure)
            latest = self._latest_tries()[row.trial]
        if latest.state == TrialState.WAITING:
            latest = self._start_trial(row.trial)

        if not latest.state.is_finished():
            self._report_recorded(latest)
            self._end(latest.number, row.val_score, state)

    def _state_problem(self) -> str | None:
        """Returns why the sampler cannot go on from what the study holds; None if it can."""
        sampler = self._strategy.make_sampler(self._seed, 0)
        return sampler.find_problem(self._all_tries()) if isinstance(sampler, ChecksState) else None

    def _latest_tries(self) -> dict[int, FrozenTrial]:
        """Returns the latest try at every trial, by our number, in the order in which trials were first queued."""
        return {trial.user_attrs[_NUMBER]: trial for trial in self._all_tries() if _NUMBER in trial.user_attrs}

    def _all_tries(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _enqueue(self, number: int, params: Params, after: int = -1) -> None:
        self._study.enqueue_trial(params, user_attrs={_NUMBER: number, _AFTER: after})

    def _start_trial(self, number: int) -> FrozenTrial:
        """Starts a waiting trial. Optuna hands them out in its own order, so those before it are started as well."""
        while (trial := self._latest_tries()[number]).state == TrialState.WAITING:
            self._start_waiting_trial()
        return trial

    def _start_waiting_trial(self) -> optuna.Trial:
        """Starts the first waiting trial, under a sampler that is seeded by its number."""
        waiting = next(trial for trial in self._all_tries() if trial.state == TrialState.WAITING)
        sampler = self._strategy.make_sampler(self._seed, waiting.user_attrs[_NUMBER])
        if isinstance(sampler, WeighsEnergy):
            sampler.energy_kwh = self._energy_kwh
        self._study.sampler = sampler

        handle = self._study.ask()
        _ = handle.relative_params  # a sequence moves on by one place, even where the parameters were given
        return self._suggest_all(handle)

    def _resume(self, number: int, trial: FrozenTrial) -> Proposal:
        """Takes over a running trial; its parameters are known, unless its process was killed while it asked."""
        self._study.sampler = self._strategy.make_sampler(self._seed, number)
        handle = optuna.Trial(self._study, trial._trial_id)
        return self._hand_out(number, self._suggest_all(handle))

    def _suggest_all(self, handle: optuna.Trial) -> optuna.Trial:
        for name, distribution in self._space.items():
            handle._suggest(name, distribution)
        return handle

    def _hand_out(self, number: int, handle: optuna.Trial) -> Proposal:
        """Returns a trial that this process has claimed, with the epochs that the study has of it."""
        reported: frozenset[int] = frozenset()
        if self._prunes:
            self._report_recorded(self._latest_tries()[number])
            reported = frozenset(self._latest_tries()[number].intermediate_values)

        params: Params = {key: value for key, value in handle.params.items() if key != PADDING}
        return Proposal(number, params, handle, reported)

    def _report_recorded(self, trial: FrozenTrial) -> None:
        """Reports the recorded epochs that the study lacks, for it was lost, or a process killed before it told it."""
        if self._prunes:
            scores = recorded_scores(self._epoch_rows(), trial.user_attrs[_NUMBER], trial.user_attrs.get(_AFTER, -1))
            report_missing(self._study, self._database, trial, scores)

    def _end(self, trial: optuna.Trial | int, val_score: float | None, state: TrialState) -> None:
        """Tells the study how a trial ended; another process may tell it the same at the same moment."""
        value = val_score if state == TrialState.COMPLETE else None
        with contextlib.suppress(optuna.exceptions.UpdateFinishedTrialError):
            self._study.tell(trial, value, state=state, skip_if_finished=True)
