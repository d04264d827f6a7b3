"""One campaign, from checked settings to campaign.json: the only module that knows all the rooms below."""

import contextlib
import dataclasses
import hashlib
import logging
import shutil
import time
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch
import yaml
from filelock import FileLock, Timeout

from greenkd.choice import choose
from greenkd.data import load
from greenkd.energy import EnergyBook, open_book
from greenkd.environment import describe_environment
from greenkd.errors import ConfigError, StorageError
from greenkd.identity import NOT_IDENTITY, flatten
from greenkd.inference import WINDOW_S, measure_inference
from greenkd.records import (
    CampaignRecord,
    CampaignStatus,
    EpochRow,
    LedgerRow,
    Phase,
    RecordError,
    TestResult,
    TrialRow,
    TrialStatus,
    read_campaign,
    read_rows,
    write_campaign,
)
from greenkd.reporting import Reporter
from greenkd.settings import Settings
from greenkd.temperature import Proposal, StrategyStudy
from greenkd.training.bank import LogitBank, bank_size_bytes, costs_alone, costs_paid, make_room
from greenkd.training.bench import Bench, resolve_device
from greenkd.training.interrupt import StopFlag
from greenkd.training.loop import Billing, TeacherSignal
from greenkd.training.signal import LiveTeacher
from greenkd.training.teacher import Teacher, network_record, obtain_teacher, teacher_paid
from greenkd.training.weights import load_network, load_tensors
from greenkd.trials import TrialRunner

log = logging.getLogger(__name__)
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
    existing = _existing(settings, folder)
    retries = settings.retry == "failed" and existing is not None and existing.status is not CampaignStatus.DONE
    if existing is not None and existing.status is not CampaignStatus.RUNNING and not retries:
        reporter.already_done(existing, str(settings.config["energy"]["name"]))
        return existing
    _keep_config(settings, folder)
    device = resolve_device(str(settings.config["device"]))
    synchronize = partial(torch.cuda.synchronize, device) if device.type == "cuda" else None
    with open_book(
        settings.config["energy"],
        campaign_id=settings.campaign_id,
        ledger=folder / "ledger.jsonl",
        synchronize=synchronize,
    ) as book:
        return _Campaign(settings, folder, stop, reporter, book, device, existing).run(retry=retries)


class _Campaign:
    def __init__(
        self,
        settings: Settings,
        folder: Path,
        stop: StopFlag,
        reporter: Reporter,
        book: EnergyBook,
        device: torch.device,
        existing: CampaignRecord | None,
    ) -> None:
        self._settings = settings
        self._folder = folder
        self._reporter = reporter
        options, dataset = load(settings.config["dataset"], smoke=settings.smoke)
        self._bench = Bench(
            options=options,
            dataset=dataset,
            device=device,
            book=book,
            stop=stop,
            checkpoint_every_s=settings.training.checkpoint_every_s,
            threads=settings.threads,
        )
        fingerprint = dataset.fingerprint()
        if existing is not None and existing.data_fingerprint not in (None, fingerprint):
            raise ConfigError(
                f"{folder}: was begun on other images than dataset={options.name} now holds; "
                "give sweep=<new name>, or dataset.name=<new name> for another data set"
            )
        now = _now()
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
            planned_trials=settings.strategy.planned_trials(),
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
            created_at=existing.created_at if existing else now,
            updated_at=now,
        )

    def run(self, *, retry: bool) -> CampaignRecord:
        """Teacher, trials, choice, test."""
        settings = self._settings
        self._reporter.campaign_started(self._record, self._rows())
        # A network that does not fit is refused before a teacher is trained for it.
        student = self._bench.network(settings.config["student"], "student", settings.seed)
        self._update(student_network=network_record(self._bench, student, settings.name("student")))
        teacher = self._teacher()
        signal, bank_folder, teacher_features = self._signal(teacher)
        runner = TrialRunner(self._bench, settings, self._folder, signal, teacher_features)
        runner.learner()  # so is an objective that does not fit, before a trial is spent on it
        study = StrategyStudy(
            settings.strategy,
            self._folder / "study.db",
            settings.campaign_id,
            settings.seed,
            settings.training.recipe.epochs,
        )
        study.reconcile(self._rows)
        if retry:
            study.retry(self._rows())
        self._trials(runner, study)
        with FileLock(self._locks() / "finish.lock"):
            return self._finish(runner, teacher, bank_folder)

    def _update(self, **changes: object) -> None:
        self._record = dataclasses.replace(self._record, updated_at=_now(), **changes)  # type: ignore[arg-type]
        write_campaign(self._folder / "campaign.json", self._record)

    def _rows(self) -> list[TrialRow]:
        """Returns the last row of every trial on record."""
        read = read_rows(self._folder / "trials.jsonl", TrialRow)
        if read.torn:
            log.warning("%s: %d line(s) cut off and left out", self._folder / "trials.jsonl", len(read.torn))
        return list({row.trial: row for row in read.rows}.values())

    def _locks(self) -> Path:
        locks = self._folder / ".locks"
        locks.mkdir(exist_ok=True)
        return locks

    def _teacher(self) -> Teacher | None:
        settings = self._settings
        source = settings.objective().teacher
        if source is None:
            return None
        recipe = settings.training.teacher_recipe()
        self._reporter.teacher_started(settings.name(source), recipe.epochs)
        teacher = obtain_teacher(
            self._bench,
            settings.config[source],
            where=source,
            recipe=recipe,
            seed=settings.training.teacher.seed,
            cache=settings.cache_dir,
            campaign_id=settings.campaign_id,
            watch=self._reporter.epoch_finished,
        )
        paid = teacher_paid(teacher, settings.campaign_id)
        self._reporter.teacher_ready(teacher.record, paid)
        self._update(teacher_result=teacher.record, teacher_paid=paid)
        return teacher

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
        if not training.bank or live.feature_size is not None:
            return live, None, live.feature_size
        classes = self._bench.dataset.num_classes
        needed = bank_size_bytes(feed.samples, classes, training.recipe.epochs)
        limit = int(training.bank_limit_gb * 1e9)
        if needed > limit:
            self._reporter.note(
                f"the teacher's logits would take {needed / 1e9:.1f} GB, more than training.bank_limit_gb="
                f"{training.bank_limit_gb:g}; running the teacher on every batch instead"
            )
            return live, None, None
        root = settings.cache_dir / "logits"
        folder = root / self._stream_key(teacher)
        make_room(root, needed, limit, keep=folder)
        billing = Billing(self._bench.book, Phase.TEACHER_LOGITS, None, 0)
        return LogitBank(folder, live, feed, billing, classes, self._bench.stop), folder, None

    def _stream_key(self, teacher: Teacher) -> str:
        """Hashes what the logits of every epoch are a function of."""
        recipe, options = self._settings.training.recipe, self._bench.options
        parts = (
            teacher.record.key,
            self._bench.dataset.fingerprint(),
            dataclasses.asdict(options.augmentation),
            (options.mean, options.std, options.validation_fraction, options.split_seed),
            (recipe.batch_size, recipe.precision, self._settings.seed, self._bench.device.type),
        )
        return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]

    def _trials(self, runner: TrialRunner, study: StrategyStudy) -> None:
        """Runs trials until none is left; waits for those that other processes hold."""
        queue = FileLock(self._locks() / "queue.lock")
        while True:
            held: dict[int, FileLock] = {}

            def claim(trial: int, held: dict[int, FileLock] = held) -> bool:
                lock = FileLock(self._locks() / f"trial_{trial}.lock")
                try:
                    lock.acquire(timeout=0)
                except Timeout:
                    return False
                held[trial] = lock
                return True

            with queue:
                proposal = study.propose(claim)
            if proposal is None:
                if study.finished():
                    return
                self._bench.stop.check()
                time.sleep(1.0)
                continue
            try:
                self._trial(runner, study, proposal)
            finally:
                held[proposal.trial].release()

    def _trial(self, runner: TrialRunner, study: StrategyStudy, proposal: Proposal) -> None:
        attempt = self._next_attempt(proposal.trial)
        epochs = self._settings.training.recipe.epochs
        self._reporter.trial_started(proposal.trial, proposal.params, epochs)

        def judge(row: EpochRow) -> bool:
            self._reporter.epoch_finished(row)
            return row.val_accuracy is not None and study.should_stop(proposal, row.epoch, row.val_accuracy)

        row = runner.run(proposal, attempt, judge)
        study.tell(proposal, row.status, row.val_accuracy)
        self._reporter.trial_finished(row)

    def _next_attempt(self, trial: int) -> int:
        """Every start of a trial is an attempt of its own, killed ones included."""
        ledger = read_rows(self._folder / "ledger.jsonl", LedgerRow).rows
        epochs = read_rows(self._folder / "epochs.jsonl", EpochRow).rows
        begun = [(row.trial, row.attempt) for row in ledger] + [(row.trial, row.attempt) for row in epochs]
        return 1 + max((attempt for number, attempt in begun if number == trial), default=-1)

    def _finish(self, runner: TrialRunner, teacher: Teacher | None, bank_folder: Path | None) -> CampaignRecord:
        with contextlib.suppress(RecordError, FileNotFoundError):
            current = read_campaign(self._folder / "campaign.json")
            if current.status is not CampaignStatus.RUNNING and current.test_accuracy is not None:
                return current  # another process that shared the trials has finished this campaign
        rows = self._rows()
        chosen = choose(rows)
        changes: dict[str, object] = {}
        if bank_folder is not None:
            feed = self._bench.feed(self._settings.seed, self._settings.training.recipe.batch_size)
            images = feed.samples * self._settings.training.recipe.epochs
            self._bench.book.flush()
            changes["logits_costs"] = costs_alone(bank_folder, images)
            changes["logits_paid"] = costs_paid(bank_folder, self._settings.campaign_id)
        failed = [row for row in rows if row.status is TrialStatus.FAILED]
        if chosen is None:
            cause = failed[0].cause if failed else "every trial was pruned"
            self._update(status=CampaignStatus.FAILED, message=cause, **changes)
            self._reporter.campaign_finished(self._record)
            return self._record
        # The choice is on record before the test set is opened, so that the one cannot follow the other.
        self._update(
            chosen_trial=chosen.trial, chosen_params=chosen.params, val_accuracy=chosen.val_accuracy, **changes
        )
        tests = self._test(runner, [row for row in rows if row.status is TrialStatus.COMPLETE])
        result = next(test for test in tests if test.trial == chosen.trial)
        self._bench.book.flush()
        changes = self._inference(runner, chosen, teacher)
        runner.weights_path(chosen.trial).replace(self._folder / "student.safetensors")
        shutil.rmtree(self._folder / "trials")
        self._update(
            status=CampaignStatus.PARTIAL if failed else CampaignStatus.DONE,
            test_accuracy=result.accuracy,
            tests=tests,
            message=f"{len(failed)} of {len(rows)} trials failed" if failed else None,
            **changes,
        )
        self._reporter.campaign_finished(self._record)
        return self._record

    def _test(self, runner: TrialRunner, rows: list[TrialRow]) -> tuple[TestResult, ...]:
        """Opens the test set once, for the last epoch of every complete trial.

        The chosen trial's accuracy is the result. The others' say what the fixed-τ control in a grid gets, and what a
        shorter grid would have got; they are measured after the choice and change nothing in it.
        """
        bench, recipe = self._bench, self._settings.training.recipe
        learner = runner.learner()
        tests = []
        for row in rows:
            tensors, _ = load_tensors(runner.weights_path(row.trial))
            load_network(learner.network, tensors, str(runner.weights_path(row.trial)))
            with bench.book.phase(Phase.TEST, trial=row.trial, attempt=row.attempt) as metered:
                score = bench.test(learner.network, recipe)
                flops = len(bench.test) * learner.evaluation_flops
                metered.add_work(len(bench.test), flops=flops, forward_flops=flops)
            tests.append(TestResult(trial=row.trial, accuracy=score.accuracy, loss=score.loss))
        return tuple(tests)

    def _inference(self, runner: TrialRunner, chosen: TrialRow, teacher: Teacher | None) -> dict[str, object]:
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
        path = runner.weights_path(chosen.trial)
        load_network(network, load_tensors(path)[0], str(path))
        student = measure(network, size=size, trial=chosen.trial, attempt=chosen.attempt)
        records: dict[str, object] = {"student_inference": student}
        if teacher is not None:
            records["teacher_inference"] = measure(teacher.network, size=teacher.record.network, trial=None, attempt=0)
        return records


def _existing(settings: Settings, folder: Path) -> CampaignRecord | None:
    path = folder / "campaign.json"
    if not path.exists():
        return None
    try:
        record = read_campaign(path)
    except RecordError as error:
        raise StorageError(str(error)) from error
    if record.campaign_id != settings.campaign_id:
        before = dict(flatten(yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))))
        now = dict(flatten(settings.config))
        differing = [
            f"{key}: {before.get(key)!r} then, {now.get(key)!r} now"
            for key in sorted(before.keys() | now.keys())
            if before.get(key) != now.get(key) and not key.startswith(NOT_IDENTITY)
        ]
        raise ConfigError(
            f"{folder}: holds a campaign of another configuration ({'; '.join(differing) or 'other version'}); "
            "choose another folder or sweep name"
        )
    return record


def _keep_config(settings: Settings, folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        text = yaml.safe_dump(dict(settings.config), sort_keys=False, allow_unicode=True)
        (folder / "config.yaml").write_text(text, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be written ({error.strerror}); set hydra.sweep.dir=<a folder you can write>"
        ) from error


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
