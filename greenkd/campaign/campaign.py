"""One campaign, from checked settings to campaign.json: the only module that knows all the rooms below."""

from contextlib import ExitStack
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Self

import torch

from greenkd.campaign.console import Reporter
from greenkd.campaign.context import CampaignContext
from greenkd.campaign.evaluation import close_campaign
from greenkd.campaign.folder import CampaignFolder
from greenkd.campaign.late_imports import load
from greenkd.campaign.open_context import open_context
from greenkd.campaign.refusal import record_refusal
from greenkd.campaign.settings import Settings
from greenkd.campaign.student import try_student
from greenkd.campaign.tau_source import with_tau_source
from greenkd.campaign.teacher import TeacherOutputsSource, make_teacher_source, prepare_teacher
from greenkd.campaign.threads_check import check_threads
from greenkd.campaign.training_context import DataCache
from greenkd.campaign.transfer import check_transfer, prepare_pool
from greenkd.campaign.trial_queue import FINISHED, TrialQueue
from greenkd.campaign.trials import TrialRunner
from greenkd.campaign.workers.pool import WorkerPool
from greenkd.collector import collect_normally
from greenkd.energy import open_monitor
from greenkd.errors import BudgetSpentError
from greenkd.records import CampaignRecord, CampaignStatus
from greenkd.teacher.cache import Teacher
from greenkd.teacher.scores import network_record
from greenkd.training.backend.device import resolve_device
from greenkd.training.backend.placement import Placement
from greenkd.training.stop_signals import StopFlag


def run_campaign(
    settings: Settings, folder: Path, stop: StopFlag, reporter: Reporter, data: DataCache | None = None
) -> CampaignRecord:
    """Runs what remains of a campaign; a finished one is returned as it is.

    Args:
        settings: What to run.
        folder: The campaign's folder; made if missing.
        stop: Asked between steps.
        reporter: Told what happens.
        data: Keeps the data set for the campaign that follows; None: nobody follows.

    Raises:
        ConfigError: A setting does not fit the data, or the folder belongs to another configuration.
        DataError: The data set is missing or damaged.
        StorageError: Something that has to be kept cannot be written.
        TrainingInterruptedError: A stop was asked for; running the same command again goes on from here.
    """
    with Campaign(settings, folder, stop, reporter, data) as campaign:
        campaign.prepare()
        while campaign.run_next_trial():
            pass
        return campaign.finish()


class Campaign:
    """One campaign: `prepare` once, `run_next_trial` until it returns False, `finish` once, in a `with` block.

    Args:
        settings: What to run.
        folder: The campaign's folder; made if missing.
        stop: Asked between steps.
        reporter: Told what happens.
        data: Keeps the data set for the campaign that follows.
        takes_turns: Other campaigns run between this one's trials: it trains one trial at a time, in this process.
        has_workers: Whether it may start processes that train trials beside its own.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        stop: StopFlag,
        reporter: Reporter,
        data: DataCache | None = None,
        *,
        takes_turns: bool = False,
        has_workers: bool = True,
    ) -> None:
        self._settings = settings
        self._path = folder
        self._stop = stop
        self._reporter = reporter
        self._data = data or DataCache()
        self._takes_turns = takes_turns
        self._has_workers = has_workers

        self._resources = ExitStack()
        self._pause = ExitStack()
        # Set by `prepare`, unless the campaign has ended: then `_ended` says how.
        self._ended: CampaignRecord | None = None
        self._folder: CampaignFolder
        self._context: CampaignContext
        self._placement: Placement
        self._teacher: Teacher | None
        self._outputs: TeacherOutputsSource
        self._runner: TrialRunner
        self._queue: TrialQueue

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, Exception):
            record_refusal(self._path, self._settings, error)
        self._pause.close()
        self._resources.__exit__(kind, error, trace)

    def close(self, error: Exception | None = None) -> None:
        """Ends workers and closes the monitor, before the `with` block ends; `error` is what the campaign ended by."""
        if error is not None:
            record_refusal(self._path, self._settings, error)
        self._pause.close()
        self._resources.close()

    def prepare(self) -> None:
        """Opens folder, monitor and data, gets the teacher, and makes the trials ready to be taken.

        Raises:
            GreenkdError: As for `run_campaign`.
        """
        self._settings = with_tau_source(self._settings, self._path)
        # A campaign that has ended stays as it is, unless it is asked to go on.
        self._folder = CampaignFolder(self._path, self._settings)
        existing = self._folder.record()
        check_threads(self._path, existing, self._settings)
        reopen = existing is not None and self._folder.may_reopen(existing)
        if existing is not None and existing.status is not CampaignStatus.RUNNING and not reopen:
            self._folder.tidy()
            self._end(existing)
            return

        # The record and the trials on it
        self._folder.keep_config()
        planned = self._settings.strategy.planned_trials()
        self._open(planned)
        context = self._context
        context.record = self._folder.begin(context.record, retry=reopen)
        if context.record.status is not CampaignStatus.RUNNING:  # by another process, meanwhile
            self._end(context.record)
            return
        self._folder.report_torn()
        rows = self._folder.rows()
        self._reporter.campaign_started(context.record, rows)

        # A budget that is spent already lets nothing begin.
        remaining = planned - sum(row.status in FINISHED for row in rows)
        if context.budget.is_spent() and remaining == planned:
            context.end_without_trial()
            self._ended = context.record
            return

        # Workers load what they need beside the teacher's training.
        finished = self._reporter.trial_finished
        devices = self._placement.devices[1 : max(remaining, 1)]
        pool = WorkerPool(devices, self._placement.together, self._settings, self._folder.path, finished)
        self._resources.enter_context(pool)
        try:
            self._prepare_trials()
        except BudgetSpentError:
            context.end_without_trial()
            self._ended = context.record
            return
        pool.begin(context.training.networks.counted_flops)

    def run_next_trial(self) -> bool:
        """Runs the next trial, or as many as are trained in lockstep.

        Returns:
            False once all trials are over, whoever ran them, or the budget is spent: `finish` is next.

        Raises:
            GreenkdError: As for `run_campaign`.
        """
        if self._ended is not None:
            return False

        try:
            if self._queue.run_next():
                return True
            if not self._queue.study.finished():
                self._queue.wait_for_others()
                return True
        except BudgetSpentError:
            self._queue.wait_for_running_trials()

        # The chosen trial's weights are tested next. If they are lost, it is trained once more.
        if (chosen := self._queue.chosen_without_weights()) is not None:
            if not self._queue.run_again(chosen):
                self._queue.wait_for_others()
            return True
        return False

    def run_free_trial(self) -> bool:
        """Runs the next trial that no other process runs, or as many as are trained in lockstep.

        Returns:
            False if there is none, or the budget is spent; others may still run.

        Raises:
            GreenkdError: As for `run_campaign`.
        """
        try:
            return self._ended is None and self._queue.run_next()
        except BudgetSpentError:
            return False

    def trials_are_over(self) -> bool:
        """Tells whether every trial has ended; `run_next_trial` may still find that weights are lost."""
        return self._ended is not None or self._queue.study.finished()

    def is_stopped_by_budget(self) -> bool:
        """Tells whether trials remain that the budget does not allow."""
        return self._context.budget.stopped

    def finish(self) -> CampaignRecord:
        """Chooses on the validation split, tests, and closes the record.

        Raises:
            GreenkdError: As for `run_campaign`.
        """
        if self._ended is None:
            with self._context.holding("finish", "another process is finishing this campaign"):
                close_campaign(self._context, self._runner, self._queue.study, self._teacher, self._outputs)
            self._ended = self._context.record
        return self._ended

    def pause(self) -> None:
        """Lets other campaigns run: nothing of what follows is recorded as this one's."""
        if self._ended is None:
            self._pause.enter_context(self._context.training.monitor.suspended())

    def resume(self) -> None:
        """Goes on after `pause`."""
        self._pause.close()

    def _end(self, record: CampaignRecord) -> None:
        """Takes note of a campaign that had ended before this process could do anything for it."""
        self._ended = record
        self._reporter.already_done(record, self._settings.energy.name)

    def _open(self, planned: int) -> None:
        """Opens the energy monitor and the data."""
        load()  # before the monitor, whose phases it is not to be charged to
        settings = self._settings
        device = resolve_device(settings.device)
        monitor = open_monitor(
            settings.energy.mapping,
            campaign_id=settings.campaign_id,
            ledger=self._folder.path / "ledger.jsonl",
            synchronize=partial(torch.cuda.synchronize, device) if device.type == "cuda" else None,
        )
        self._resources.enter_context(monitor)

        placement = settings.place_trials(planned, device, one_at_a_time=self._takes_turns)
        self._placement = placement if self._has_workers else placement.of_one_process()
        self._context = open_context(
            settings,
            self._folder,
            self._stop,
            self._reporter,
            monitor,
            self._data,
            device,
            processes=self._placement.processes,
        )

    def _prepare_trials(self) -> None:
        """Gets the teacher, tries out student and objective, and opens the study.

        Raises:
            BudgetSpentError: The teacher's training would cross a limit.
        """
        context, settings = self._context, self._settings
        # A network, an objective or a teacher that does not fit is refused before a teacher is trained for it.
        student, objective = try_student(settings, context.training)
        context.update(student_network=network_record(context.training, student, settings.student.name))
        check_transfer(settings, context.training, self._placement.together)

        self._teacher = prepare_teacher(context)
        prepare_pool(context, self._teacher)
        self._outputs = make_teacher_source(context, self._teacher)
        self._runner = TrialRunner(context, self._outputs)
        if objective.flops() is None:
            self._reporter.flops_not_stated(settings.objective.name)

        self._queue = TrialQueue(context, self._runner, self._placement.together)
        if settings.retry == "failed":
            self._queue.retry_failed()
        collect_normally()  # whatever training needs is loaded now
