"""The trials of a campaign as one process takes them: proposed by the study, claimed by locks, trained, told back."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from filelock import BaseFileLock, Timeout

from greenkd.campaign.attempt import Attempt
from greenkd.campaign.context import CampaignContext
from greenkd.campaign.trials import TrialRunner
from greenkd.records import EpochRow, TrialRow, TrialStatus
from greenkd.temperature import Proposal, StrategyStudy

# Seconds between two looks at the trials that other processes run.
_LOOK_S = 0.3

FINISHED = (TrialStatus.COMPLETE, TrialStatus.PRUNED, TrialStatus.FAILED)
"""How a trial can have ended for good; an interrupted one goes on."""


class TrialQueue:
    """Takes trials of a campaign until none remains; several processes may do so at the same time.

    Args:
        context: The campaign.
        runner: Trains.
        together: Trials that this process trains in lockstep.
    """

    def __init__(self, context: CampaignContext, runner: TrialRunner, together: int) -> None:
        self._context = context
        self._runner = runner
        self._together = together
        self._said_that_others_run = False

        settings, folder = context.settings, context.folder
        with self.locked():
            self.study = StrategyStudy(
                settings.strategy,
                settings.storage or folder.path / "study.db",
                # In a shared database sweeps of other names may hold the same campaign.
                f"{settings.sweep}/{settings.campaign_id}" if settings.storage else settings.campaign_id,
                settings.seed,
                settings.training.recipe.epochs,
            )
            self.study.reconcile(folder.rows)

    def locked(self) -> AbstractContextManager[None]:
        """Holds the lock under which trials are taken."""
        return self._context.holding("queue", "another process is taking a trial")

    def retry_failed(self) -> None:
        """Queues the trials on record that failed."""
        with self.locked():
            self.study.retry(self._context.folder.rows())

    def run_next(self) -> bool:
        """Takes the next trials that nobody holds, as many as are trained together, and trains them.

        Returns:
            False if there is none; those that other processes hold may still run.

        Raises:
            BudgetSpentError: A trial would cross, or has crossed, a limit.
            TrainingInterruptedError: A stop was asked for; checkpoints are written.
        """
        context = self._context
        rows = context.folder.rows()
        remaining = context.record.planned_trials - sum(row.status in FINISHED for row in rows)
        together = context.budget.begin_trials(rows, max(min(self._together, remaining), 1))

        with self._claimed(together, self._claim) as proposals:
            self._train(proposals)
            return bool(proposals)

    def run_again(self, row: TrialRow) -> bool:
        """Trains a trial once more whose weights are lost, whatever the budget says.

        Args:
            row: How it ended before.

        Returns:
            False if another process is doing so.
        """
        with self.locked():
            self.study.again(row)
        self._context.budget.lift()

        def claim(locks: dict[int, BaseFileLock], trial: int) -> bool:
            return trial == row.trial and self._claim(locks, trial)

        with self._claimed(1, claim) as proposals:
            self._train(proposals)
            return bool(proposals)

    def wait_for_others(self) -> None:
        """Waits for a moment, for there are trials that other processes run.

        Raises:
            TrainingInterruptedError: A stop was asked for.
        """
        training = self._context.training
        if not self._said_that_others_run and training.processes == 1:
            self._context.reporter.note("  the trials left are run by other processes; waiting for them")
        self._said_that_others_run = True
        training.stop.check()
        time.sleep(_LOOK_S)

    def wait_for_running_trials(self) -> None:
        """Waits until no process holds a trial: those that run are the last of a campaign that its budget stops."""
        for number in range(self._context.record.planned_trials):
            with self._context.holding(f"trial_{number}", f"trial {number} is run by another process"):
                pass

    @contextmanager
    def _claimed(
        self, together: int, claim: Callable[[dict[int, BaseFileLock], int], bool]
    ) -> Iterator[list[Proposal]]:
        """Holds the locks of up to so many trials for a block.

        Args:
            together: How many.
            claim: Takes a trial's lock into a dictionary; False if it is not to be had.
        """
        locks: dict[int, BaseFileLock] = {}
        try:
            with self.locked():
                self.study.reconcile(self._context.folder.rows)
                proposed = [self.study.propose(partial(claim, locks)) for _ in range(together)]
            yield [proposal for proposal in proposed if proposal is not None]
        finally:
            for lock in locks.values():
                lock.release()

    def _claim(self, locks: dict[int, BaseFileLock], trial: int) -> bool:
        """Takes a trial that no living process holds; `locks` keeps its lock."""
        lock = self._context.folder.lock(f"trial_{trial}")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        locks[trial] = lock
        self.study.reconcile(self._context.folder.rows)  # whoever held it may have ended it just before
        return True

    def _train(self, proposals: list[Proposal]) -> None:
        """Trains claimed trials, and tells the study how each ended."""
        context = self._context
        epochs = context.settings.training.recipe.epochs

        def judge(proposal: Proposal, row: EpochRow) -> bool:
            context.reporter.epoch_finished(row)
            context.budget.epoch_finished(epochs - row.epoch - 1)
            return row.val_score is not None and self.study.should_stop(proposal, row.epoch, row.val_score)

        attempts = [
            Attempt(
                proposal=proposal,
                number=context.folder.next_attempt(proposal.trial),
                judge=partial(judge, proposal),
            )
            for proposal in proposals
        ]
        for proposal in proposals:
            context.reporter.trial_started(proposal.trial, proposal.params, epochs)

        proposal_of = {proposal.trial: proposal for proposal in proposals}
        for row in self._runner.run(attempts):
            self.study.tell(proposal_of[row.trial], row.status, row.val_score)
            context.reporter.trial_finished(row)
