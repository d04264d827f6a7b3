"""One campaign, from checked settings to campaign.json: the only module that knows all the rooms below."""

import dataclasses
import hashlib
import json
import logging
import time
from collections.abc import Generator
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path

import torch
from filelock import BaseFileLock, Timeout
from torch import Tensor

from greenkd.campaign.budget import Budget, BudgetSpentError, stopped_message
from greenkd.campaign.choice import choose
from greenkd.campaign.environment import describe_environment
from greenkd.campaign.folder import CampaignFolder, now
from greenkd.campaign.inference import WINDOW_S, measure_inference
from greenkd.campaign.reporting import Reporter
from greenkd.campaign.settings import Settings
from greenkd.campaign.trials import TrialRunner
from greenkd.campaign.workers import Helpers
from greenkd.data import Dataset, DatasetOptions, load
from greenkd.energy import EnergyBook, open_book
from greenkd.records import (
    CampaignRecord,
    CampaignStatus,
    EpochRow,
    Phase,
    TestResult,
    TrialRow,
    TrialStatus,
)
from greenkd.temperature import Proposal, StrategyStudy
from greenkd.training.bank import LogitBank, bank_size_bytes, costs_alone, costs_paid, make_room
from greenkd.training.bench import Bench, resolve_device
from greenkd.training.interrupt import StopFlag, holding
from greenkd.training.loop import Billing, TeacherSignal
from greenkd.training.signal import LiveTeacher
from greenkd.training.teacher import Teacher, network_record, obtain_teacher, teacher_paid
from greenkd.training.threads import processes_for
from greenkd.training.weights import load_network, save_tensors

log = logging.getLogger(__name__)
# Seconds between two looks at the trials that other processes run.
_LOOK_S = 0.3
_OVER = (TrialStatus.COMPLETE, TrialStatus.PRUNED, TrialStatus.FAILED)


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
    with open_book(
        settings.config["energy"],
        campaign_id=settings.campaign_id,
        ledger=folder / "ledger.jsonl",
        synchronize=synchronize,
    ) as book:
        campaign = _Campaign(settings, kept, stop, reporter, book, device, pause=pause)
        return (yield from campaign.run(reopen=reopens))


def help_campaign(settings: Settings, folder: Path, stop: StopFlag, reporter: Reporter, book: EnergyBook) -> None:
    """Runs trials of a campaign that another process has begun and will finish, until none is free.

    Args:
        settings: What to run.
        folder: The campaign's folder.
        stop: Asked between steps.
        reporter: Told of trials.
        book: Open; this process's own.

    Raises:
        GreenkdError: As for `run_campaign`.
    """
    device = resolve_device(str(settings.config["device"]))
    _Campaign(settings, CampaignFolder(folder, settings), stop, reporter, book, device).help()


def stream_key(settings: Settings, bench: Bench, fingerprint: str | None, teacher: str) -> str:
    """Hashes what the logits of every epoch are a function of; names the bank's folder.

    Args:
        settings: The campaign's.
        bench: Its data and device.
        fingerprint: Of the data.
        teacher: The teacher's key.
    """
    recipe, options = settings.training.recipe, bench.options
    parts = (
        teacher,
        fingerprint,
        dataclasses.asdict(options.augmentation),
        (options.mean, options.std, options.validation_fraction, options.split_seed),
        (recipe.batch_size, recipe.precision, settings.seed, bench.device.type),
        settings.training.bank_dtype,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


_last_data: dict[str, tuple[DatasetOptions, Dataset, str]] = {}


def _data(settings: Settings) -> tuple[DatasetOptions, Dataset, str]:
    """Returns the data set and its fingerprint; campaigns of one process that follow each other load it once."""
    key = json.dumps([settings.config["dataset"], settings.smoke], sort_keys=True, default=str)
    if key not in _last_data:
        _last_data.clear()  # one at a time is in memory
        options, dataset = load(settings.config["dataset"], smoke=settings.smoke)
        _last_data[key] = options, dataset, dataset.fingerprint()
    return _last_data[key]


class _Campaign:
    def __init__(
        self,
        settings: Settings,
        folder: CampaignFolder,
        stop: StopFlag,
        reporter: Reporter,
        book: EnergyBook,
        device: torch.device,
        *,
        pause: bool = False,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._reporter = reporter
        self._pause = pause
        self._budget = Budget(settings.budget, folder.path, book, stop)
        options, dataset, fingerprint = _data(settings)
        planned = settings.strategy.planned_trials()
        self._bench = Bench(
            options=options,
            dataset=dataset,
            device=device,
            book=book,
            stop=self._budget,
            checkpoint_every_s=settings.training.checkpoint_every_s,
            threads=settings.threads,
            # Campaigns that take turns are alone on the machine, each in its turn.
            processes=1 if pause else processes_for(settings.training.parallel_trials, planned, str(device)),
        )
        created_at = now()
        self._record = CampaignRecord(
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
            planned_trials=planned,
            student_network=None,
            teacher_result=None,
            chosen_trial=None,
            chosen_params=None,
            val_accuracy=None,
            test_accuracy=None,
            tests=(),
            logits_costs=None,
            data_fingerprint=fingerprint,
            environment=describe_environment(device, f"{book.meter.name} {book.meter.version}"),
            created_at=created_at,
            updated_at=created_at,
        )

    def run(self, *, reopen: bool) -> Generator[None, None, CampaignRecord]:
        """Teacher, trials, choice, test."""
        settings, folder = self._settings, self._folder
        self._record = folder.begin(self._record, retry=reopen)
        if self._record.status is not CampaignStatus.RUNNING:
            self._reporter.already_done(self._record, str(settings.config["energy"]["name"]))
            return self._record
        folder.report_torn()
        rows = folder.rows()
        self._reporter.campaign_started(self._record, rows)
        if self._budget.is_spent() and not any(row.status in _OVER for row in rows):
            self._end_without_trial()
            return self._record
        left = settings.strategy.planned_trials() - sum(row.status in _OVER for row in rows)
        helpers = min(self._bench.processes, left) - 1
        with Helpers(max(helpers, 0), settings, folder.path, self._reporter.trial_finished) as beside:
            return (yield from self._run(beside))

    def _run(self, helpers: Helpers) -> Generator[None, None, CampaignRecord]:
        settings, folder = self._settings, self._folder
        # A network that does not fit is refused before a teacher is trained for it.
        student = self._bench.network(settings.config["student"], "student", settings.seed)
        self._update(student_network=network_record(self._bench, student, settings.name("student")))
        try:
            teacher = self._teacher()
        except BudgetSpentError:
            self._end_without_trial()
            return self._record
        signal, bank_folder, teacher_features = self._signal(teacher)
        runner = TrialRunner(self._bench, settings, folder.path, signal, teacher_features)
        runner.learner()  # so is an objective that does not fit, before a trial is spent on it
        study = self._study()
        if settings.retry == "failed":
            with self._queue():
                study.retry(folder.rows())
        helpers.begin()
        while True:
            try:
                yield from self._trials(runner, study, wait=True)
            except BudgetSpentError:
                self._outlast_others()
            with self._alone("finish", "another process is finishing this campaign"):
                if self._finish(runner, study, teacher, bank_folder):
                    return self._record

    def help(self) -> None:
        """Trials alone, beside the process that began the campaign."""
        signal, _, teacher_features = self._signal(self._obtain_teacher())
        runner = TrialRunner(self._bench, self._settings, self._folder.path, signal, teacher_features)
        for _ in self._trials(runner, self._study(), wait=False):
            pass

    def _study(self) -> StrategyStudy:
        settings, folder = self._settings, self._folder
        with self._queue():
            study = StrategyStudy(
                settings.strategy,
                folder.path / "study.db",
                settings.campaign_id,
                settings.seed,
                settings.training.recipe.epochs,
            )
            study.reconcile(folder.rows)
        return study

    def _queue(self) -> AbstractContextManager[None]:
        alone = self._bench.processes == 1  # with helpers beside, somebody is always taking a trial
        return self._alone("queue", "another process is taking a trial" if alone else None)

    def _alone(self, name: str, waiting: str | None) -> AbstractContextManager[None]:
        return holding(self._folder.lock(name), self._bench.stop, waiting and f"{waiting}; waiting for it")

    def _update(self, **changes: object) -> None:
        self._record = self._folder.update(**changes)

    def _teacher(self) -> Teacher | None:
        teacher = self._obtain_teacher()
        if teacher is not None:
            paid = teacher_paid(teacher, self._settings.campaign_id)
            self._reporter.teacher_ready(teacher.record, paid)
            self._update(teacher_result=teacher.record, teacher_paid=paid)
        return teacher

    def _obtain_teacher(self) -> Teacher | None:
        settings = self._settings
        source = settings.objective().teacher
        if source is None:
            return None
        recipe = settings.training.teacher_recipe()
        self._reporter.teacher_started(settings.name(source), recipe.epochs)
        return obtain_teacher(
            self._bench,
            settings.config[source],
            where=source,
            recipe=recipe,
            seed=settings.training.teacher.seed,
            cache=settings.cache_dir,
            campaign_id=settings.campaign_id,
            watch=self._teacher_epoch_finished,
        )

    def _signal(self, teacher: Teacher | None) -> tuple[TeacherSignal | None, Path | None, int | None]:
        """Returns the teacher's outputs as the loop gets them, the bank's folder, and the length of its features."""
        if teacher is None:
            return None, None, None
        settings, training = self._settings, self._settings.training
        live = LiveTeacher(
            teacher.network,
            training.recipe,
            teacher.record.network.forward_flops_per_image or 0.0,
            settings.objective().wants_features,
        )
        feed = self._bench.feed(settings.seed, training.recipe.batch_size)
        if training.bank and live.feature_size is not None:
            self._reporter.note(
                f"  {settings.name('objective')} distils features, of which no bank is kept: "
                "the teacher runs on every batch of every trial"
            )
        if not training.bank or live.feature_size is not None:
            return live, None, live.feature_size
        classes = self._bench.dataset.num_classes
        needed = bank_size_bytes(feed.samples, classes, training.recipe.epochs, training.bank_dtype)
        limit = int(training.bank_limit_gb * 1e9)
        if needed > limit:
            self._reporter.note(
                f"the teacher's logits would take {needed / 1e9:.1f} GB, more than training.bank_limit_gb="
                f"{training.bank_limit_gb:g}; running the teacher on every batch instead"
            )
            return live, None, None
        root = settings.cache_dir / "logits"
        folder = root / stream_key(settings, self._bench, self._record.data_fingerprint, teacher.record.key)
        make_room(root, needed, limit, keep=folder)
        billing = Billing(self._bench.book, Phase.TEACHER_LOGITS, None, 0)
        bank = LogitBank(folder, live, feed, billing, classes, self._bench.stop, training.bank_dtype)
        return bank, folder, None

    def _teacher_epoch_finished(self, row: EpochRow) -> None:
        self._reporter.epoch_finished(row)
        self._budget.epoch_finished(self._settings.training.teacher_recipe().epochs - row.epoch - 1)

    def _end_without_trial(self) -> None:
        """Closes a campaign whose budget was spent before a trial could begin."""
        message = stopped_message(0, self._record.planned_trials)
        self._update(status=CampaignStatus.PARTIAL, message=message, budget_stopped=True)
        self._reporter.campaign_finished(self._record)

    def _outlast_others(self) -> None:
        """Waits until no process holds a trial: those that run are the last of a campaign that its budget stops."""
        for number in range(self._record.planned_trials):
            waiting = f"trial {number} is run by another process" if self._bench.processes == 1 else None
            with self._alone(f"trial_{number}", waiting):
                pass

    def _trials(self, runner: TrialRunner, study: StrategyStudy, *, wait: bool) -> Generator[None, None, None]:
        """Runs trials until none is left, or with `wait` until those that other processes hold are over too."""
        waiting = False
        while True:
            if self._pause and not study.finished():
                with self._bench.book.suspended():
                    yield
            self._budget.begin_trial(self._folder.rows())
            held: dict[int, BaseFileLock] = {}
            with self._queue():
                study.reconcile(self._folder.rows)
                proposal = study.propose(partial(self._claim, study, held))
            try:
                if proposal is not None:
                    self._trial(runner, study, proposal)
                    continue
            finally:
                for lock in held.values():
                    lock.release()
            if not wait or study.finished():
                return
            if not waiting and self._bench.processes == 1:
                self._reporter.note("  the trials left are run by other processes; waiting for them")
            waiting = True
            self._bench.stop.check()
            time.sleep(_LOOK_S)

    def _claim(self, study: StrategyStudy, held: dict[int, BaseFileLock], trial: int) -> bool:
        """Takes a trial that no living process holds; `held` keeps its lock."""
        lock = self._folder.lock(f"trial_{trial}")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            return False
        held[trial] = lock
        study.reconcile(self._folder.rows)  # whoever held it may have ended it just before
        return True

    def _trial(self, runner: TrialRunner, study: StrategyStudy, proposal: Proposal) -> None:
        attempt = self._folder.next_attempt(proposal.trial)
        epochs = self._settings.training.recipe.epochs
        self._reporter.trial_started(proposal.trial, proposal.params, epochs)

        def judge(row: EpochRow) -> bool:
            self._reporter.epoch_finished(row)
            self._budget.epoch_finished(epochs - row.epoch - 1)
            return row.val_accuracy is not None and study.should_stop(proposal, row.epoch, row.val_accuracy)

        row = runner.run(proposal, attempt, judge)
        study.tell(proposal, row.status, row.val_accuracy)
        self._reporter.trial_finished(row)

    def _finish(
        self, runner: TrialRunner, study: StrategyStudy, teacher: Teacher | None, bank_folder: Path | None
    ) -> bool:
        """Chooses, tests and closes the campaign; False if the chosen trial has to be trained again first."""
        self._update()
        if self._record.status is not CampaignStatus.RUNNING:
            self._reporter.campaign_finished(self._record)  # by another process that shared the trials
            return True
        rows = self._folder.rows()
        chosen = choose(rows)
        changes: dict[str, object] = {}
        if bank_folder is not None:
            feed = self._bench.feed(self._settings.seed, self._settings.training.recipe.batch_size)
            images = feed.samples * self._settings.training.recipe.epochs
            self._bench.book.flush()
            alone = costs_alone(bank_folder, images)
            self._reporter.bank_used(alone, sum(row.status is TrialStatus.COMPLETE for row in rows))
            changes["logits_costs"] = alone
            changes["logits_paid"] = costs_paid(bank_folder, self._settings.campaign_id)
        failed = [row for row in rows if row.status is TrialStatus.FAILED]
        stopped = self._budget.stopped and not study.finished()
        causes = [f"{len(failed)} of {len(rows)} trials failed"] if failed else []
        if stopped:
            over = sum(row.status in _OVER for row in rows)
            causes.insert(0, stopped_message(over, self._record.planned_trials))
        changes["message"] = "; ".join(causes) or None
        changes["budget_stopped"] = stopped
        if chosen is None:
            if not stopped:
                changes["message"] = failed[0].cause if failed else "every trial was pruned"
            status = CampaignStatus.PARTIAL if stopped else CampaignStatus.FAILED
            self._update(status=status, **changes)
            self._reporter.campaign_finished(self._record)
            return True
        weights = runner.weights(chosen.trial)
        if weights is None:
            log.warning("the weights of the chosen trial %d are lost; training it again", chosen.trial)
            study.again(chosen)
            return False
        # The choice is on record before the test set is opened, so that the one cannot follow the other.
        self._update(
            chosen_trial=chosen.trial, chosen_params=chosen.params, val_accuracy=chosen.val_accuracy, **changes
        )
        tests = self._test(runner, [row for row in rows if row.status is TrialStatus.COMPLETE])
        measured = self._inference(weights, chosen, teacher)
        self._bench.book.flush()
        save_tensors(runner.student_path, weights, {"trial": chosen.trial})
        self._update(
            status=CampaignStatus.PARTIAL if failed or stopped else CampaignStatus.DONE,
            test_accuracy=tests[chosen.trial].accuracy,
            **measured,
        )
        self._folder.tidy()
        self._reporter.campaign_finished(self._record)
        return True

    def _test(self, runner: TrialRunner, rows: list[TrialRow]) -> dict[int, TestResult]:
        """Opens the test set once, for the last epoch of every complete trial.

        The chosen trial's accuracy is the result. The others' say what the fixed-τ control in a grid gets, and what a
        shorter grid would have got; they are measured after the choice and change nothing in it. Each is on record at
        once, so that a campaign that is killed here, or whose failed trials are run later, tests nothing twice.
        """
        bench, recipe = self._bench, self._settings.training.recipe
        learner = runner.learner()
        tests = {test.trial: test for test in self._record.tests}
        for row in rows:
            bench.stop.check()
            weights = None if row.trial in tests else runner.weights(row.trial)
            if weights is None:
                if row.trial not in tests:
                    log.warning("the weights of trial %d are lost, so it cannot be tested", row.trial)
                continue
            load_network(learner.network, weights, f"trial {row.trial}")
            with bench.book.phase(Phase.TEST, trial=row.trial, attempt=row.attempt) as metered:
                score = bench.test(learner.network, recipe)
                flops = len(bench.test) * learner.evaluation_flops
                metered.add_work(len(bench.test), flops=flops, forward_flops=flops)
            tests[row.trial] = TestResult(trial=row.trial, accuracy=score.accuracy, loss=score.loss)
            self._update(tests=tuple(test for _, test in sorted(tests.items())))
        return tests

    def _inference(self, weights: dict[str, Tensor], chosen: TrialRow, teacher: Teacher | None) -> dict[str, object]:
        """Meters what using the chosen student costs, and the teacher."""
        bench, settings = self._bench, self._settings
        size = self._record.student_network
        assert size is not None
        measure = partial(
            measure_inference,
            bench,
            recipe=settings.training.recipe,
            window_s=0.0 if settings.smoke else WINDOW_S,
        )
        network = bench.network(settings.config["student"], "student", settings.seed)
        load_network(network, weights, f"trial {chosen.trial}")
        student = measure(network, size=size, trial=chosen.trial, attempt=chosen.attempt)
        records: dict[str, object] = {"student_inference": student}
        if teacher is not None:
            records["teacher_inference"] = measure(teacher.network, size=teacher.record.network, trial=None, attempt=0)
        return records
