"""What single pieces of a campaign cost: a few steps, passes and set-ups are run on the real data and timed.

The pieces are the campaign's own (its learner, its loop, its study), so whatever they do besides arithmetic is in the
figures. Everything is recorded in the phase of calibration.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from greenkd.campaign.settings import Settings
from greenkd.campaign.trials import TrialRunner
from greenkd.errors import TrainingDivergedError
from greenkd.estimate import stopwatch
from greenkd.estimate.pieces import Calibration, Pace
from greenkd.estimate.stopwatch import NO_WORK, EnoughError, Stopwatch, Work, timed
from greenkd.objectives import CrossEntropy
from greenkd.records import EpochRow, Phase, StepsRow, TrialStatus, append_row
from greenkd.teacher.live import LiveTeacher
from greenkd.temperature import Constant, StrategyStudy
from greenkd.training.batches import Batch, EpochPlan
from greenkd.training.bench import Bench
from greenkd.training.checkpoint import Checkpointer
from greenkd.training.evaluate import EVALUATION_BATCH, Evaluator
from greenkd.training.learner import Learner, TeacherOutputs
from greenkd.training.recipe import Recipe
from greenkd.training.safetensors_io import save_tensors
from greenkd.training.teacher_source import TeacherSource
from greenkd.training.trainer import Fit, PhaseTag

# Trials whose proposals are timed; a sampler that learns takes longer later on.
_PROPOSALS = 3


class _StoredLogits:
    """A teacher source in place of a filled bank: its zeros cost as much to read from memory as real logits do."""

    flops_per_image = 0.0

    def __init__(self, samples: int, num_classes: int, device: torch.device) -> None:
        self._logits = torch.zeros(samples, num_classes, device=device)

    def begin_epoch(self, epoch: int, plan: EpochPlan) -> None:
        """Has nothing to load."""

    def outputs(self, batch: Batch, rows: slice) -> TeacherOutputs:
        """Returns zeros [B, K] for the rows of a batch."""
        return TeacherOutputs(self._logits[rows], None)


class Calibrator:
    """Times the pieces of campaigns of one setting.

    Args:
        settings: Of one of them.
        bench: Its data, on the device, with the monitor that records the timing.
        folder: For what the pieces write; to be deleted afterwards.
    """

    def __init__(self, settings: Settings, bench: Bench, folder: Path) -> None:
        self._settings = settings
        self._bench = bench
        self._folder = folder
        self._recipe = settings.training.recipe

    def warm_up(self) -> None:
        """Does for the first time what costs more the first time: loads libraries, chooses kernels, builds tables."""
        with self._bench.monitor.phase(Phase.CALIBRATION):
            network = self._bench.network(self._settings.student.mapping, "student", self._settings.seed)
            self._bench.flops(network)

            loader = self._bench.loader(self._settings.seed, self._recipe.batch_size)
            network(loader.batch(loader.plan(0), 0).images).sum().backward()

            self._proposal(self._study("warm-up"))

    def run(self) -> Calibration:
        """Times everything; some seconds for each network, or a few steps where they are slow."""
        settings, bench = self._settings, self._bench
        source = settings.build_objective().teacher
        setup: list[Work] = []
        trial: list[Work] = []
        with bench.monitor.phase(Phase.CALIBRATION):
            teacher = None if source is None else bench.network(settings.network(source).mapping, source, 0)
            teacher_source, live = self._teacher_source(teacher)
            runner = TrialRunner(bench, settings, self._folder, teacher_source, live.feature_size if live else None)

            # What a campaign sets up once.
            with timed(bench.device, setup):
                bench.flops(bench.network(settings.student.mapping, "student", settings.seed))
                runner.learner()
            with timed(bench.device, setup):
                study = self._study("calibration")

            # One trial, from its student to its proposal.
            with timed(bench.device, trial):
                learner = runner.learner()
            student = self._pace(learner, self._recipe, teacher_source, settings.seed)
            with timed(bench.device, trial):
                save_tensors(self._folder / "weights.safetensors", learner.network.state_dict(), {})
            trial.append(self._proposal(study))

            # Evaluations, logits and the teacher's training.
            evaluator = Evaluator(
                bench.dataset.test.subset(torch.arange(min(len(bench.test), 2 * EVALUATION_BATCH))),
                bench.options.mean,
                bench.options.std,
                bench.device,
            )
            student_evaluation = self._evaluation(evaluator, learner.network)
            logits = teacher_pace = None
            teacher_evaluation = NO_WORK
            if teacher is not None:
                teacher_evaluation = self._evaluation(evaluator, teacher)
                if live is not None and teacher_source is not live:
                    logits = self._logits(live)
                teacher_pace = self._teacher_pace(teacher)

        return Calibration(
            setup=_total(setup),
            trial=_total(trial),
            student=student,
            teacher=teacher_pace,
            logits=logits,
            student_evaluation=student_evaluation,
            teacher_evaluation=teacher_evaluation,
        )

    def _teacher_source(self, teacher: nn.Module | None) -> tuple[TeacherSource | None, LiveTeacher | None]:
        """Returns what trials get the teacher's outputs from, and the live teacher itself."""
        if teacher is None:
            return None, None

        flops = self._bench.flops(teacher).forward
        live = LiveTeacher(teacher, self._recipe, flops, self._settings.build_objective().wants_features)
        if not self._settings.training.bank or live.feature_size is not None:
            return live, live

        loader = self._bench.loader(self._settings.seed, self._recipe.batch_size)
        return _StoredLogits(loader.samples, self._bench.dataset.num_classes, self._bench.device), live

    def _study(self, name: str) -> StrategyStudy:
        settings = self._settings
        return StrategyStudy(settings.strategy, self._folder / f"{name}.db", name, settings.seed, self._recipe.epochs)

    def _proposal(self, study: StrategyStudy) -> Work:
        """Returns the mean cost of proposing a trial and telling its result."""
        taken: list[Work] = []
        for _ in range(min(self._settings.strategy.planned_trials(), _PROPOSALS)):
            with timed(self._bench.device, taken):
                proposal = study.propose(lambda _: True)
                if proposal is not None:
                    study.tell(proposal, TrialStatus.COMPLETE, 0.5)

        return _total(taken).times(1 / len(taken))

    def _teacher_pace(self, network: nn.Module) -> Pace:
        settings, bench = self._settings, self._bench
        recipe, seed = settings.training.teacher_recipe(), settings.training.teacher.seed
        flops, steps = bench.flops(network), bench.loader(seed, recipe.batch_size).steps
        learner = Learner(network, CrossEntropy(), recipe, flops, flops.forward, seed, steps)
        return self._pace(learner, recipe, None, seed)

    def _pace(self, learner: Learner, recipe: Recipe, teacher_source: TeacherSource | None, seed: int) -> Pace:
        """Trains until the stopwatch has seen enough; whole epochs count where they are short, else single steps."""
        bench, folder = self._bench, self._folder
        loader = bench.loader(seed, recipe.batch_size)
        watch = Stopwatch(bench.stop, loader.steps, bench.device)

        def on_epoch(row: EpochRow, steps: StepsRow | None) -> bool:
            append_row(folder / "epochs.jsonl", row)
            return False

        fit = Fit(
            learner=learner,
            loader=loader,
            recipe=dataclasses.replace(recipe, epochs=10_000),  # the stopwatch ends it
            schedule=Constant(tau=4.0),
            teacher=teacher_source,
            validation=bench.validation,
            seed=seed,
            tag=PhaseTag(bench.monitor, Phase.CALIBRATION, None, 0),
            checkpointer=Checkpointer(folder / "none.safetensors", 1e9, {}),
            stop=watch,
            on_epoch=on_epoch,
            device=bench.device,
            threads=bench.threads,
            processes=bench.processes,
        )

        try:
            fit.run()
        except EnoughError:
            pass
        except TrainingDivergedError:
            if not (watch.epochs or watch.chunks):
                raise

        epochs = watch.epochs[1:] or watch.epochs
        if len(epochs) >= stopwatch.EPOCHS or not watch.chunks:
            return _pace(epochs, _mean(epochs))

        step = _mean(watch.chunks)
        plan: list[Work] = []
        with timed(bench.device, plan):
            loader.plan(0)
        validation = self._evaluation(bench.validation, learner.network)
        extra = plan[0] + validation.times(len(bench.validation) / recipe.validate_every)
        return _pace(watch.chunks, step.times(loader.steps) + extra)

    def _evaluation(self, evaluator: Evaluator, network: nn.Module) -> Work:
        """Returns the cost per image."""
        return self._repeated(partial(evaluator, network, self._recipe), len(evaluator))

    def _logits(self, live: LiveTeacher) -> Work:
        """Returns the cost of the teacher's logits per image."""
        loader = self._bench.loader(self._settings.seed, self._recipe.batch_size)
        plan = loader.plan(0)
        steps = min(loader.steps, 20)

        def run() -> list[Tensor]:
            return [live.outputs(loader.batch(plan, step), loader.rows(step)).logits.cpu() for step in range(steps)]

        return self._repeated(run, loader.rows(steps - 1).stop)

    def _repeated(self, run: Callable[[], object], images: int) -> Work:
        """Repeats a piece for a while after a first time; returns its cost per image."""
        run()

        taken: list[Work] = []
        started = time.monotonic()
        while not taken or time.monotonic() - started < stopwatch.PIECE_S / 4:
            with timed(self._bench.device, taken):
                run()
        return _mean(taken).times(1 / images)


def _total(works: list[Work]) -> Work:
    return Work(sum(work.cpu_s for work in works), sum(work.duration_s for work in works))


def _mean(works: list[Work]) -> Work:
    return _total(works).times(1 / len(works))


def _pace(samples: list[Work], epoch: Work) -> Pace:
    cpu = [sample.cpu_s for sample in samples]
    mean = statistics.fmean(cpu) or 1.0
    return Pace(epoch, min(cpu) / mean, max(cpu) / mean)
