"""The trials of a campaign as one process takes them: proposed by the study, claimed by locks, trained, told back."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial

from greenkd.campaign.attempt import Attempt
from greenkd.campaign.context import CampaignContext
from greenkd.campaign.evaluation import finish_plan
from greenkd.campaign.rungs import RungState, read_rungs
from greenkd.campaign.settings import Settings
from greenkd.campaign.trials import TrialRunner
from greenkd.errors import DatabaseLostError
from greenkd.identity import campaign_folder
from greenkd.locks import Lock
from greenkd.records import CampaignStatus, EpochRow, TrialRow, TrialStatus, choose_trial
from greenkd.temperature import Proposal, StrategyStudy

log = logging.getLogger(__name__)

# Seconds between two looks at the trials that other processes run.
_LOOK_S = 0.3

FINISHED = (TrialStatus.COMPLETE, TrialStatus.PRUNED, TrialStatus.FAILED)
"""How a trial can have ended for good; an interrupted or paused one goes on."""


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
        self._rungs = settings.strategy.rungs(settings.training.recipe.epochs)
        with self.locked():
            self.study = StrategyStudy(
                settings.strategy,
                settings.storage or folder.path / "study.db",
                _study_name(settings),
                settings.seed,
                settings.training.recipe.epochs,
                earlier_name=_earlier_study_name(settings),
                epoch_rows=folder.epoch_rows,
            )
            self.study.reconcile(folder.all_rows)

        context.budget.plan_finish(finish_plan(context))

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
        with self._claimed(self._affordable, self._claim) as proposals:
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

        def claim(locks: dict[int, Lock], trial: int) -> bool:
            return trial == row.trial and self._claim(locks, trial)

        with self._claimed(lambda: 1, claim) as proposals:
            self._train(proposals)
            return bool(proposals)

    def chosen_without_weights(self) -> TrialRow | None:
        """Returns the trial that validation chooses if its weights are lost, and the campaign still needs them."""
        context = self._context
        context.update()
        chosen = choose_trial(context.folder.rows())
        if context.record.status is not CampaignStatus.RUNNING or chosen is None:
            return None
        if self._runner.weights(chosen.trial) is not None:
            return None

        log.warning("the weights of the chosen trial %d are lost; training it again", chosen.trial)
        return chosen

    def wait_for_rung(self) -> bool:
        """Waits for a moment if trials wait at a rung that others are still on the way to.

        Returns:
            False if there are none, and no trial will be free any more.

        Raises:
            TrainingInterruptedError: A stop was asked for.
        """
        if self._state().is_last or self.study.finished():
            return False
        self.wait_for_others()
        return True

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
        self, count: Callable[[], int], claim: Callable[[dict[int, Lock], int], bool]
    ) -> Iterator[list[Proposal]]:
        """Holds the locks of up to so many trials for a block.

        Args:
            count: Says how many, while no other process can take any.
            claim: Takes a trial's lock into a dictionary; False if it is not to be had.
        """
        locks: dict[int, Lock] = {}
        try:
            with self.locked():
                self._stop_at_rungs()
                self.study.reconcile(self._context.folder.all_rows)
                proposed = [self._propose(partial(claim, locks)) for _ in range(count())]
            yield [proposal for proposal in proposed if proposal is not None]
        finally:
            for lock in locks.values():
                lock.release()

    def _stop_at_rungs(self) -> None:
        """Ends the trials that do not go on from a rung that is decided."""
        stopped = self._state().stopped
        for row in stopped:
            self._runner.stop(row)
        if stopped:
            self._context.reporter.note(f"  after epoch {stopped[0].epochs}: {len(stopped)} trials stopped")

    def _propose(self, claim: Callable[[int], bool]) -> Proposal | None:
        """Asks for a trial; what is claimed stays claimed where the study asks again, its database having been away."""
        claimed: set[int] = set()

        def claim_once(trial: int) -> bool:
            if trial not in claimed and not claim(trial):
                return False
            claimed.add(trial)
            return True

        return self.study.propose(claim_once)

    def _affordable(self) -> int:
        """Returns how many trials may begin in lockstep: as many as are left, and as the budget allows.

        Raises:
            BudgetSpentError: It does not allow one.
        """
        settings, folder = self._context.settings, self._context.folder
        ended = {row.trial for row in folder.rows() if row.status in FINISHED}
        remaining = len(self._state().until.keys() - ended)

        running = [trial for trial in self.study.running() if self._is_held(trial)]
        seeds = {settings.strategy.trial_seed(settings.seed, params) for params in settings.strategy.queue()}
        together = max(min(self._together, remaining), 1)
        return self._context.budget.begin_trials(together, running, own_logits=len(seeds) > 1)

    def _state(self) -> RungState:
        """Reads how far each trial may be trained by now."""
        return read_rungs(self._rungs, self._context.folder.all_rows())

    def _is_held(self, trial: int) -> bool:
        """Tells whether a living process holds a trial."""
        lock = self._context.folder.lock(f"trial_{trial}")
        if not lock.acquire(0):
            return True
        lock.release()
        return False

    def _claim(self, locks: dict[int, Lock], trial: int) -> bool:
        """Takes a trial that does not wait at a rung, and that no living process holds; `locks` keeps its lock."""
        if trial not in self._state().until:
            return False
        lock = self._context.folder.lock(f"trial_{trial}")
        if not lock.acquire(0):
            return False

        # Whoever held it may have ended it just before, or paused it.
        self.study.reconcile(self._context.folder.all_rows)
        if trial not in self._state().until:
            lock.release()
            return False
        locks[trial] = lock
        return True

    def _train(self, proposals: list[Proposal]) -> None:
        """Trains claimed trials, and tells the study how each ended."""
        context = self._context
        epochs = context.settings.training.recipe.epochs
        until = self._state().until

        def judge(proposal: Proposal, row: EpochRow) -> bool:
            context.reporter.epoch_finished(row)
            context.run_log.epoch_finished(proposal.trial, proposal.params)
            context.budget.epoch_finished(epochs - row.epoch - 1)
            if row.val_score is None:
                return False
            try:
                return self.study.should_stop(proposal, row.epoch, row.val_score)
            except DatabaseLostError as error:
                log.error("%s", error)
                context.training.stop.set("the loss of the database")  # at the next step, with a checkpoint
                return False

        attempts = [
            Attempt(
                proposal=proposal,
                number=context.folder.next_attempt(proposal.trial),
                judge=partial(judge, proposal),
                until=until[proposal.trial],
            )
            for proposal in proposals
        ]
        images = len(context.training.data.train.labels)
        for proposal in proposals:
            context.reporter.trial_started(proposal.trial, proposal.params, until[proposal.trial], images)

        proposal_of = {proposal.trial: proposal for proposal in proposals}
        try:
            for row in self._runner.run(attempts):
                if row.status.has_ended:
                    self.study.tell(proposal_of[row.trial], row.status, row.val_score)
                context.reporter.trial_finished(row)
                context.run_log.trial_finished(row.trial, row.params)
        finally:
            context.run_log.close()


def _study_name(settings: Settings) -> str:
    """Returns what dashboards show; in a shared database sweeps of other names may hold the same campaign."""
    name = campaign_folder(settings.config).with_name(f"seed{settings.seed}-{settings.campaign_id}")
    return f"{settings.sweep}/{name}" if settings.storage else str(name)


def _earlier_study_name(settings: Settings) -> str:
    """Returns the name that greenkd 0.1 gave the study."""
    return f"{settings.sweep}/{settings.campaign_id}" if settings.storage else settings.campaign_id
