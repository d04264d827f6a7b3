"""What single pieces of a campaign cost: a few steps, passes and set-ups are run on the real data and timed.

The pieces are the campaign's own (its learner, its loop, its study), so whatever they do besides arithmetic is in the
figures. Everything is recorded in the phase of calibration.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from torch import nn

from greenkd.campaign.environment import describe_environment
from greenkd.campaign.settings import Settings
from greenkd.campaign.student import build_learner
from greenkd.errors import TrainingDivergedError
from greenkd.estimate import stopwatch
from greenkd.estimate.pieces import Calibration, Pace
from greenkd.estimate.stopwatch import NO_WORK, Stopwatch, Work, mean, repeated, timed, total
from greenkd.estimate.synthesis import stand_in_data, time_synthesis
from greenkd.objectives.teacher_anchors import kept_shape
from greenkd.records import EpochRow, Phase, StepsRow, TrialStatus, append_row
from greenkd.teacher.live import LiveTeacher
from greenkd.temperature import Constant, StrategyStudy
from greenkd.training.batches import Batch, EpochPlan
from greenkd.training.checkpoint import Checkpointer
from greenkd.training.context import TrainingContext
from greenkd.training.data_module import DataModule
from greenkd.training.learner import Learner, TeacherOutputs
from greenkd.training.network_factory import NetworkFactory
from greenkd.training.phase_tag import PhaseTag
from greenkd.training.recipe import Recipe
from greenkd.training.safetensors_io import save_tensors
from greenkd.training.teacher_source import TeacherSource
from greenkd.training.trainer import train_one
from greenkd.training.training import Training

# Trials whose proposals are timed; a sampler that learns takes longer later on.
_PROPOSALS = 3


class _StoredLogits:
    """A teacher source in place of a filled bank: its zeros cost as much to read from memory as real logits do."""

    flops_per_image = 0.0

    def __init__(self, samples: int, output_shape: tuple[int, ...], device: torch.device) -> None:
        self._logits = torch.zeros(samples, *output_shape, device=device)

    def begin_epoch(self, epoch: int, plan: EpochPlan) -> None:
        """Has nothing to load."""

    def outputs(self, batch: Batch, rows: slice) -> TeacherOutputs:
        """Returns zeros for the rows of a batch."""
        return TeacherOutputs(self._logits[rows], None)


class Calibrator:
    """Times the pieces of campaigns of one setting.

    Args:
        settings: Of one of them.
        context: Its data, on the device, with the monitor that records the timing.
        folder: For what the pieces write; to be deleted afterwards.
    """

    def __init__(self, settings: Settings, context: TrainingContext, folder: Path) -> None:
        self._settings = settings
        self._context = context
        self._folder = folder
        self._recipe = settings.training.recipe

    def warm_up(self) -> None:
        """Does for the first time what costs more the first time: loads libraries, chooses kernels, builds tables."""
        with self._context.monitor.phase(Phase.CALIBRATION):
            networks, student = self._context.networks, self._settings.student
            network = networks.build(student.mapping, "student", self._settings.seed)
            networks.flops(network)

            loader = self._context.data.loader(self._settings.seed, self._recipe.batch_size)
            network(loader.batch(loader.plan(0), 0).images).sum().backward()

            self._proposal(self._study("warm-up"))

    def run(self) -> Calibration:
        """Times everything; some seconds for each network, or a few steps where they are slow."""
        settings, context = self._settings, self._context
        source = settings.build_objective().teacher
        students = dataclasses.replace(context, data=stand_in_data(settings, context.data))
        setup: list[Work] = []
        trial: list[Work] = []
        with context.monitor.phase(Phase.CALIBRATION):
            teacher = None if source is None else context.networks.build(settings.network(source).mapping, source, 0)
            outputs, live = self._teacher_source(teacher, students.data)
            make_learner = partial(build_learner, settings, students, live.feature_size if live else None)

            # What a campaign sets up once
            with timed(context.device, setup):
                self._open_again(source)
                make_learner()
            with timed(context.device, setup):
                study = self._study("calibration")

            # One trial, from its student to its proposal
            with timed(context.device, trial):
                learner = make_learner()
            student = self._pace(learner, self._recipe, outputs, settings.seed, students)
            with timed(context.device, trial):
                save_tensors(self._folder / "weights.safetensors", learner.network.state_dict(), {})
            trial.append(self._proposal(study))

            # Evaluations, logits and the teacher's training
            student_evaluation = self._evaluation(learner.network)
            logits = teacher_pace = None
            teacher_evaluation = synthesis = NO_WORK
            if teacher is not None:
                teacher_evaluation = self._evaluation(teacher)
                if live is not None and outputs is not live:
                    logits = self._logits(live, students.data)
                synthesis, within_trial = time_synthesis(settings, context, teacher)
                trial.append(within_trial)
                teacher_pace = self._teacher_pace(teacher)

        return Calibration(
            setup=total(setup),
            trial=total(trial),
            student=student,
            teacher=teacher_pace,
            logits=logits,
            synthesis=synthesis,
            student_evaluation=student_evaluation,
            teacher_evaluation=teacher_evaluation,
        )

    def _open_again(self, source: Literal["teacher", "student"] | None) -> None:
        """Does once more what every campaign does for itself: splits the data, builds networks, counts their FLOPs."""
        settings, old = self._settings, self._context.data
        data = DataModule(old.task, old.options, old.dataset, old.device)
        data.loader(settings.seed, self._recipe.batch_size).plan(0)
        _ = data.validation, data.test
        describe_environment(old.device, "")

        networks = NetworkFactory(data.task, data.dataset, data.options.name, data.device)
        networks.flops(networks.build(settings.student.mapping, "student", settings.seed))
        if source is not None:
            networks.flops(networks.build(settings.network(source).mapping, source, 0))

    def _teacher_source(
        self, teacher: nn.Module | None, data: DataModule
    ) -> tuple[TeacherSource | None, LiveTeacher | None]:
        """Returns what trials get the teacher's outputs from, and the live teacher itself."""
        if teacher is None:
            return None, None

        flops = self._context.networks.flops(teacher).forward
        objective = self._settings.build_objective()
        live = LiveTeacher(teacher, self._recipe, flops, objective.wants_features, objective.teacher_anchors)
        if not self._settings.training.bank or self._settings.images_grow or live.feature_size is not None:
            return live, live

        loader = data.loader(self._settings.seed, self._recipe.batch_size)
        shape = kept_shape(data.task.output_shape(data.dataset), objective.teacher_anchors)
        return _StoredLogits(loader.samples, shape, self._context.device), live

    def _study(self, name: str) -> StrategyStudy:
        settings = self._settings
        return StrategyStudy(settings.strategy, self._folder / f"{name}.db", name, settings.seed, self._recipe.epochs)

    def _proposal(self, study: StrategyStudy) -> Work:
        """Returns the mean cost of proposing a trial and telling its result."""
        taken: list[Work] = []
        for _ in range(min(self._settings.strategy.planned_trials(), _PROPOSALS)):
            with timed(self._context.device, taken):
                proposal = study.propose(lambda _: True)
                if proposal is not None:
                    study.tell(proposal, TrialStatus.COMPLETE, 0.5)

        return total(taken).times(1 / len(taken))

    def _teacher_pace(self, network: nn.Module) -> Pace:
        settings, context = self._settings, self._context
        recipe, seed = settings.training.teacher_recipe(), settings.training.teacher.seed
        task = context.data.task
        flops, steps = context.networks.flops(network), context.data.loader(seed, recipe.batch_size).steps
        learner = Learner(network, task.supervised(), task, recipe, flops, flops.forward, seed, steps)
        return self._pace(learner, recipe, None, seed, context)

    def _pace(
        self, learner: Learner, recipe: Recipe, teacher: TeacherSource | None, seed: int, context: TrainingContext
    ) -> Pace:
        """Trains until the stopwatch has seen enough; whole epochs count where they are short, else single steps."""
        folder = self._folder
        loader = context.data.loader(seed, recipe.batch_size)
        watch = Stopwatch(loader.steps, context.device)

        def on_epoch(row: EpochRow, steps: StepsRow | None) -> bool:
            append_row(folder / "epochs.jsonl", row)
            return False

        training = Training(
            context=context,
            learner=learner,
            loader=loader,
            recipe=dataclasses.replace(recipe, epochs=10_000),  # the stopwatch ends it
            schedule=Constant(tau=4.0),
            teacher=teacher,
            validation=context.data.validation,
            seed=seed,
            tag=PhaseTag(Phase.CALIBRATION),
            checkpointer=Checkpointer(folder / "none.safetensors", 1e9, {}),
            on_epoch=on_epoch,
            before_step=watch.before_step,
        )

        try:
            train_one(training)
        except TrainingDivergedError:
            if not (watch.epochs or watch.chunks):
                raise

        epochs = watch.epochs[1:] or watch.epochs
        if len(epochs) >= stopwatch.EPOCHS or not watch.chunks:
            return Pace(mean(epochs), tuple(epochs))

        step = mean(watch.chunks)
        plan: list[Work] = []
        with timed(context.device, plan):
            loader.plan(0)
        validation = self._evaluation(learner.network)
        extra = plan[0] + validation.times(len(context.data.validation) / recipe.validate_every)
        return Pace(step.times(loader.steps) + extra, tuple(watch.chunks))

    def _evaluation(self, network: nn.Module) -> Work:
        """Returns the cost per image."""
        data, recipe = self._context.data, self._recipe

        def passes(images: int) -> Callable[[], object]:
            return partial(data.evaluator(data.dataset.test.subset(torch.arange(images))), network, recipe)

        most = min(len(data.test), 2 * data.test.batch_size)
        return repeated(self._context.device, passes, most).times(1 / most)

    def _logits(self, live: LiveTeacher, data: DataModule) -> Work:
        """Returns the cost of the teacher's logits per image."""
        loader = data.loader(self._settings.seed, self._recipe.batch_size)
        plan = loader.plan(0)

        def passes(steps: int) -> Callable[[], object]:
            return lambda: [
                live.outputs(loader.batch(plan, step), loader.rows(step)).logits.cpu() for step in range(steps)
            ]

        most = min(loader.steps, 20)
        return repeated(self._context.device, passes, most).times(1 / loader.rows(most - 1).stop)
