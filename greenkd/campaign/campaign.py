"""One campaign, from checked settings to campaign.json: the only module that knows all the rooms below."""

import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import torch
from filelock import BaseFileLock, Timeout

from greenkd.campaign.attempt import Attempt
from greenkd.campaign.budget import Budget
from greenkd.campaign.console import Reporter
from greenkd.campaign.context import Context
from greenkd.campaign.data import open_bench
from greenkd.campaign.environment import describe_environment
from greenkd.campaign.evaluation import finish
from greenkd.campaign.folder import CampaignFolder
from greenkd.campaign.settings import Settings
from greenkd.campaign.teacher import load_or_train_teacher, make_teacher_source
from greenkd.campaign.trials import TrialRunner
from greenkd.campaign.workers.pool import WorkerPool
from greenkd.collector import collect_normally
from greenkd.energy import EnergyMonitor, Flops, open_monitor
from greenkd.errors import BudgetSpentError, ConfigError
from greenkd.records import CampaignRecord, CampaignStatus, EpochRow, TrialStatus
from greenkd.records.timestamps import now
from greenkd.teacher.cache import Teacher, teacher_paid
from greenkd.teacher.given_weights import network_record
from greenkd.temperature import Proposal, StrategyStudy
from greenkd.training.backend.device import resolve_device
from greenkd.training.backend.placement import side_by_side
from greenkd.training.bench import Bench
from greenkd.training.stop_signals import StopFlag

# Seconds between two looks at the trials that other processes run.
_LOOK_S = 0.3
_FINISHED = (TrialStatus.COMPLETE, TrialStatus.PRUNED, TrialStatus.FAILED)


def run_campaign(settings: Settings, folder: Path, stop: StopFlag, reporter: Reporter) -> CampaignRecord:
    """Runs what is left of a campaign; a finished one is returned as it is.

    Args:
        settings: What to run.
        folder: The campaign's folder; made if missing.
        stop: Asked between steps.
        reporter: Told what happens.

    Raises:
        ConfigError: A setting does not fit the data, or the folder belongs to another configuration.
        DataError: The data set is missing or damaged.
        StorageError: Something that has to be kept cannot be written.
        TrainingInterruptedError: A stop was asked for; running the same command again goes on from here.
    """
    turns = campaign_in_turns(settings, folder, stop, reporter, pause=False)
    while True:
        try:
            next(turns)
        except StopIteration as end:
            record: CampaignRecord = end.value
            return record


def campaign_in_turns(
    settings: Settings, folder: Path, stop: StopFlag, reporter: Reporter, *, pause: bool = True
) -> Generator[None, None, CampaignRecord]:
    """Runs a campaign as `run_campaign` does, but lets others run meanwhile.

    Args:
        settings: What to run.
        folder: The campaign's folder.
        stop: Asked between steps.
        reporter: Told what happens.
        pause: Yield before each trial. What happens until it goes on is on nobody's bill here.
    """
    kept = CampaignFolder(folder, settings)
    existing = kept.record()
    retries = settings.retry == "failed" and existing is not None and existing.status is not CampaignStatus.DONE
    reopens = retries or (existing is not None and existing.budget_stopped and kept.has_another_budget())
    if existing is not None and existing.status is not CampaignStatus.RUNNING and not reopens:
        kept.tidy()
        reporter.already_done(existing, str(settings.config["energy"]["name"]))
        return existing
    kept.keep_config()
    device = resolve_device(str(settings.config["device"]))
    synchronize = partial(torch.cuda.synchronize, device) if device.type == "cuda" else None
    with open_monitor(
        settings.config["energy"],
        campaign_id=settings.campaign_id,
        ledger=folder / "ledger.jsonl",
        synchronize=synchronize,
    ) as monitor:
        campaign = _Campaign(settings, kept, stop, reporter, monitor, device, pause=pause)
        return (yield from campaign.run(reopen=reopens))


def run_worker(
    settings: Settings,
    folder: Path,
    stop: StopFlag,
    reporter: Reporter,
    monitor: EnergyMonitor,
    counted: Mapping[str, Flops],
) -> None:
    """Runs trials of a campaign that another process has begun and will finish, until none is free.

    Args:
        settings: What to run.
        folder: The campaign's folder.
        stop: Asked between steps.
        reporter: Told of trials.
        monitor: Open; this process's own.
        counted: FLOPs by architecture, as the other process has counted them.

    Raises:
        GreenkdError: As for `run_campaign`.
    """
    device = resolve_device(str(settings.config["device"]))
    _Campaign(settings, CampaignFolder(folder, settings), stop, reporter, monitor, device).help(counted)


class _Campaign:
    def __init__(
        self,
        settings: Settings,
        folder: CampaignFolder,
        stop: StopFlag,
        reporter: Reporter,
        monitor: EnergyMonitor,
        device: torch.device,
        *,
        pause: bool = False,
    ) -> None:
        planned, training = settings.strategy.planned_trials(), settings.training
        # Campaigns that take turns are alone on the machine, each in its turn, trial by trial.
        self._sides = side_by_side(1 if pause else training.parallel_trials, training.parallel_mode, planned, device)
        self._pause = pause
        budget = Budget(settings.budget, folder.path, settings.cache_dir, monitor, stop)
        bench = open_bench(settings, device, monitor, budget, processes=self._sides.processes)
        self._context = Context(settings, folder, reporter, bench, budget, _new_record(settings, bench))

    def run(self, *, reopen: bool) -> Generator[None, None, CampaignRecord]:
        """Teacher, trials, choice, test."""
        context, settings = self._context, self._context.settings
        context.record = context.folder.begin(context.record, retry=reopen)
        if context.record.status is not CampaignStatus.RUNNING:
            context.reporter.already_done(context.record, str(settings.config["energy"]["name"]))
            return context.record
        context.folder.report_torn()
        rows = context.folder.rows()
        context.reporter.campaign_started(context.record, rows)
        left = settings.strategy.planned_trials() - sum(row.status in _FINISHED for row in rows)
        if context.budget.is_spent() and left == settings.strategy.planned_trials():
            context.end_without_trial()
            return context.record
        devices = self._sides.devices[1 : max(left, 1)]
        finished = context.reporter.trial_finished
        with WorkerPool(devices, self._sides.together, settings, context.folder.path, finished) as beside:
            return (yield from self._run(beside))

    def _run(self, helpers: WorkerPool) -> Generator[None, None, CampaignRecord]:
        context, settings, bench = self._context, self._context.settings, self._context.bench
        # A network that does not fit is refused before a teacher is trained for it.
        student = bench.network(settings.config["student"], "student", settings.seed)
        context.update(student_network=network_record(bench, student, settings.name("student")))
        try:
            teacher = self._teacher()
        except BudgetSpentError:
            context.end_without_trial()
            return context.record
        signal = make_teacher_source(context, teacher)
        runner = TrialRunner(bench, settings, context.folder.path, signal.outputs, signal.feature_size)
        runner.learner()  # so is an objective that does not fit, before a trial is spent on it
        study = self._study()
        if settings.retry == "failed":
            with self._queue():
                study.retry(context.folder.rows())
        collect_normally()  # whatever training needs is loaded now
        helpers.begin(bench.counted)
        while True:
            try:
                yield from self._trials(runner, study, wait=True)
            except BudgetSpentError:
                self._wait_for_running_trials()
            with context.alone("finish", "another process is finishing this campaign"):
                if finish(context, runner, study, teacher, signal.bank):
                    return context.record

    def help(self, counted: Mapping[str, Flops]) -> None:
        """Trials alone, beside the process that began the campaign."""
        context = self._context
        context.bench.counted.update(counted)
        signal = make_teacher_source(context, load_or_train_teacher(context))
        runner = TrialRunner(context.bench, context.settings, context.folder.path, signal.outputs, signal.feature_size)
        study = self._study()
        collect_normally()
        for _ in self._trials(runner, study, wait=False):
            pass

    def _teacher(self) -> Teacher | None:
        context = self._context
        teacher = load_or_train_teacher(context)
        if teacher is not None:
            before = context.record.teacher_result
            if before is not None and before.key != teacher.record.key:
                raise ConfigError(
                    f"{context.folder.path}: was begun with other weights than "
                    f"{context.settings.build_objective().teacher}.weights now holds; "
                    "give sweep=<new name>, or the file another name"
                )
            paid = teacher_paid(teacher, context.settings.campaign_id, context.record.created_at)
            context.reporter.teacher_ready(teacher.record, paid)
            context.update(teacher_result=teacher.record, teacher_paid=paid)
        return teacher

    def _study(self) -> StrategyStudy:
        settings, folder = self._context.settings, self._context.folder
        with self._queue():
            study = StrategyStudy(
                settings.strategy,
                settings.storage or folder.path / "study.db",
                # In a shared database sweeps of other names may hold the same campaign.
                f"{settings.config['sweep']}/{settings.campaign_id}" if settings.storage else settings.campaign_id,
                settings.seed,
                settings.training.recipe.epochs,
            )
            study.reconcile(folder.rows)
        return study

    def _queue(self) -> AbstractContextManager[None]:
        return self._context.alone("queue", "another process is taking a trial")

    def _wait_for_running_trials(self) -> None:
        """Waits until no process holds a trial: those that run are the last of a campaign that its budget stops."""
        for number in range(self._context.record.planned_trials):
            with self._context.alone(f"trial_{number}", f"trial {number} is run by another process"):
                pass

    def _trials(self, runner: TrialRunner, study: StrategyStudy, *, wait: bool) -> Generator[None, None, None]:
        """Runs trials until none is left, or with `wait` until those that other processes hold are over too."""
        context, waiting = self._context, False
        while True:
            if self._pause and not study.finished():
                with context.bench.monitor.suspended():
                    yield
            rows = context.folder.rows()
            left = context.record.planned_trials - sum(row.status in _FINISHED for row in rows)
            together = context.budget.begin_trials(rows, max(min(self._sides.together, left), 1))
            held: dict[int, BaseFileLock] = {}
            try:
                with self._queue():
                    study.reconcile(context.folder.rows)
                    proposals = [study.propose(partial(self._claim, study, held)) for _ in range(together)]
                if self._run_trials(runner, study, [proposal for proposal in proposals if proposal is not None]):
                    continue
            finally:
                for lock in held.values():
                    lock.release()
            if not wait or study.finished():
                return
            if not waiting and context.bench.processes == 1:
                context.reporter.note("  the trials left are run by other processes; waiting for them")
            waiting = True
            context.bench.stop.check()
            time.sleep(_LOOK_S)

    def _claim(self, study: StrategyStudy, held: dict[int, BaseFileLock], trial: int) -> bool:
        """Takes a trial that no living process holds; `held` keeps its lock."""
        lock = self._context.folder.lock(f"trial_{trial}")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        held[trial] = lock
        study.reconcile(self._context.folder.rows)  # whoever held it may have ended it just before
        return True

    def _run_trials(self, runner: TrialRunner, study: StrategyStudy, proposals: Sequence[Proposal]) -> bool:
        """Runs trials that this process holds; False if there are none."""
        context = self._context
        epochs = context.settings.training.recipe.epochs

        def judge(proposal: Proposal, row: EpochRow) -> bool:
            context.reporter.epoch_finished(row)
            context.budget.epoch_finished(epochs - row.epoch - 1)
            return row.val_score is not None and study.should_stop(proposal, row.epoch, row.val_score)

        attempts = [
            Attempt(proposal=each, number=context.folder.next_attempt(each.trial), judge=partial(judge, each))
            for each in proposals
        ]
        for each in proposals:
            context.reporter.trial_started(each.trial, each.params, epochs)
        of = {each.trial: each for each in proposals}
        for row in runner.run(attempts):
            study.tell(of[row.trial], row.status, row.val_score)
            context.reporter.trial_finished(row)
        return bool(proposals)


def _new_record(settings: Settings, bench: Bench) -> CampaignRecord:
    """Returns the record of a campaign that has not begun."""
    created_at = now()
    meter = bench.monitor.meter
    return CampaignRecord(
        campaign_id=settings.campaign_id,
        setting_id=settings.setting_id,
        sweep=str(settings.config["sweep"]),
        status=CampaignStatus.RUNNING,
        dataset=settings.name("dataset"),
        teacher=settings.name("teacher"),
        student=settings.name("student"),
        objective=settings.name("objective"),
        strategy=settings.name("temperature"),
        kind=settings.strategy.kind,
        seed=settings.seed,
        planned_trials=settings.strategy.planned_trials(),
        student_network=None,
        teacher_result=None,
        chosen_trial=None,
        chosen_params=None,
        val_score=None,
        test_score=None,
        tests=(),
        logits_costs=None,
        data_fingerprint=bench.dataset.fingerprint,
        environment=describe_environment(bench.device, f"{meter.name} {meter.version}"),
        created_at=created_at,
        updated_at=created_at,
    )
