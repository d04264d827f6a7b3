"""One training: a learner under one schedule, where it stands, and what it does at a step and at an epoch's end."""

import dataclasses
import math
import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch
from torch import Tensor

from greenkd.energy import PhaseHandle
from greenkd.errors import TrainingDivergedError, TrainingInterruptedError
from greenkd.records import EpochRow, Phase, StepsRow
from greenkd.tasks import Evaluator, Score
from greenkd.temperature import Schedule, Temperatures
from greenkd.training.backend.threads import use_threads
from greenkd.training.batches import Batch, BatchLoader
from greenkd.training.checkpoint import Checkpointer, Position
from greenkd.training.context import TrainingContext
from greenkd.training.growth import Growth
from greenkd.training.learner import Learner, TeacherOutputs
from greenkd.training.phase_tag import PhaseTag
from greenkd.training.recipe import Recipe
from greenkd.training.step_readings import StepReadings, read_steps
from greenkd.training.teacher_source import TeacherSource


class TrainingResult(NamedTuple):
    """How a training ended."""

    epochs: int  # that were trained, earlier attempts included
    train_loss: float  # of the last epoch; NaN, as the next two, if no epoch was finished
    val_loss: float
    val_score: float
    stopped_early: bool
    paused: bool  # before its last epoch, with a checkpoint that another attempt goes on from


def _do_nothing() -> None:
    """Stands for a callback nobody has given."""


def _go_on() -> bool:
    """Stands for a callback nobody has given."""
    return True


@dataclasses.dataclass(kw_only=True)
class Training:
    """One training; `greenkd.training.trainer.train` runs it, alone or in a group.

    Attributes:
        context: Data, monitor, stop flag and machine.
        learner: The network with its objective and optimiser.
        loader: The batches of every epoch.
        recipe: Epochs, rates, precision.
        schedule: τ at each step.
        teacher: Where the teacher's outputs come from; None where the objective needs none.
        validation: The validation split.
        seed: Seed of τ.
        tag: What the energy is recorded under.
        checkpointer: Reads and writes this training's checkpoints.
        on_epoch: Receives the row of each finished epoch, and of its steps where τ varies; returns True to end the
            training early.
        before_epoch: Called before the first step of every epoch; may raise a `TrainingInterruptedError`.
        before_step: Called before every step; returns False to end the training there, without a validation.
        growth: Makes more images before each epoch; None: those of the loader are all there are.
        pause_after: Epochs after which it pauses: it is validated, and its checkpoint written. All that depends on the
            length of the training stays as it is. None: it runs to its end.
        position: Where the training stands; set by `begin`.
    """

    context: TrainingContext
    learner: Learner
    loader: BatchLoader
    recipe: Recipe
    schedule: Schedule
    teacher: TeacherSource | None
    validation: Evaluator
    seed: int
    tag: PhaseTag
    checkpointer: Checkpointer
    on_epoch: Callable[[EpochRow, StepsRow | None], bool]
    before_epoch: Callable[[], None] = _do_nothing
    before_step: Callable[[], bool] = _go_on
    growth: Growth | None = None
    pause_after: int | None = None
    position: Position = dataclasses.field(init=False)
    _temperatures: Temperatures = dataclasses.field(init=False)
    _taus: tuple[tuple[Tensor, ...], tuple[Tensor, ...]] = dataclasses.field(init=False)  # of student and teacher
    _epoch_started: float = dataclasses.field(init=False)

    def begin(self) -> TrainingResult | None:
        """Takes up the checkpoint, if there is one; returns the result if nothing remains to be trained."""
        use_threads(self.context.threads, self.learner.evaluation_flops * self.recipe.batch_size)
        if self.learner.compiled:
            self._compile()

        loaded = self.checkpointer.load(self.learner.modules, self.learner.optimizer, self.context.device)
        self.position = loaded or self._start_of(epoch=0)
        if self.growth is not None:
            self.growth.load_state(self.position.growth)
        return self.result() if self.position.epoch >= self._until else None

    def grow(self) -> None:
        """Makes the images that the epoch brings, unless it has begun."""
        if self.growth is None or self.position.step:
            return
        with self.phase(Phase.SYNTHESIS) as handle:
            self.growth.grow(self.position.epoch, self.learner.network, handle)

    def begin_steps(self) -> None:
        """Makes ready for the remaining steps of the epoch."""
        self._temperatures = self.schedule.temperatures(
            seed=self.seed, epoch=self.position.epoch, epochs=self.recipe.epochs, steps=self.loader.steps
        )
        student, teacher = (
            torch.from_numpy(values).to(self.context.device).unbind()
            for values in (self._temperatures.student, self._temperatures.teacher)
        )
        self._taus = student, teacher

        self.learner.network.train()
        self.learner.objective.train()
        self._epoch_started = time.monotonic() - self.position.duration_s

    def step(self, batch: Batch, outputs: TeacherOutputs | None, handle: PhaseHandle, teacher_flops: float) -> None:
        """Makes one step, and a checkpoint if one is due.

        Args:
            batch: What stands at this step of the epoch.
            outputs: What the teacher says about it.
            handle: Takes the step's images and FLOPs.
            teacher_flops: What the teacher's outputs cost this training, per image.
        """
        position, learner = self.position, self.learner
        taus = self._taus[0][position.step], self._taus[1][position.step]
        outcome = learner.step(position.epoch, position.step, batch, outputs, taus)

        position.losses[position.step] = outcome.loss
        position.hits += outcome.hits
        if position.taus is not None and outcome.taus is not None:
            position.taus[:, position.step] = outcome.taus
        position.step += 1
        position.duration_s = time.monotonic() - self._epoch_started

        images = len(batch.labels)
        handle.add_work(
            images,
            flops=images * (learner.flops.training + teacher_flops),
            forward_flops=images * (learner.flops.forward + teacher_flops),
        )
        if self.checkpointer.due():
            self.save()

    def end_epoch(self) -> TrainingResult | None:
        """Validates and reports; returns the result if the training has ended.

        Raises:
            TrainingDivergedError: The loss became NaN or infinite.
            TrainingInterruptedError: A stop was asked for during the validation; a checkpoint is on disk.
        """
        position = self.position
        readings = read_steps(position)
        self._check_losses(readings.losses)
        try:
            score = self._validate()
        except TrainingInterruptedError:
            self.save()  # all steps of the epoch are made: it is taken up at its validation
            raise
        if score is not None and not math.isfinite(score.loss):
            raise TrainingDivergedError(
                f"the validation loss became {score.loss} after epoch {position.epoch}; lower training.lr"
            )

        end_early = self.on_epoch(self._epoch_row(readings, score), self._steps_row(readings))

        train_loss = self._mean(readings.losses)
        last = (train_loss, *position.last[1:]) if score is None else (train_loss, score.loss, score.value)
        self.position = self._start_of(epoch=position.epoch + 1, last=last)
        if end_early:
            return self.result(stopped_early=True)

        reached = self.position.epoch >= self._until
        pauses = reached and self._until < self.recipe.epochs
        if pauses or self.checkpointer.due():
            self.save()
        return self.result() if reached else None

    def save(self) -> None:
        """Writes a checkpoint, and before it to the ledger what the steps in it cost."""
        self.context.monitor.flush()
        self.position.growth = {} if self.growth is None else self.growth.state()
        self.checkpointer.save(self.learner.modules, self.learner.optimizer, self.position)

    def result(self, *, stopped_early: bool = False) -> TrainingResult:
        """Returns how far the training has come."""
        epoch = self.position.epoch
        paused = not stopped_early and epoch < self.recipe.epochs
        return TrainingResult(epoch, *self.position.last, stopped_early=stopped_early, paused=paused)

    @property
    def _until(self) -> int:
        """Epochs that the training is to have when it ends, or pauses."""
        return self.recipe.epochs if self.pause_after is None else self.pause_after

    def phase(self, phase: Phase) -> AbstractContextManager[PhaseHandle]:
        """Records a block under this training's tag, as the given phase."""
        tag = self.tag
        return self.context.monitor.phase(phase, trial=tag.trial, attempt=tag.attempt, ledger=tag.ledger)

    def _compile(self) -> None:
        """Compiles the step for a whole batch and for a smaller last one, recorded as overhead."""
        plan = self.loader.plan(0)
        with self.phase(Phase.OVERHEAD):
            for step in sorted({0, self.loader.steps - 1}):
                self.learner.compile(self.loader.batch(plan, step).images)

    def _start_of(self, *, epoch: int, last: tuple[float, float, float] = (math.nan, math.nan, math.nan)) -> Position:
        device = self.context.device
        losses = torch.zeros(self.loader.steps, device=device)
        hits = torch.zeros((), dtype=torch.int64, device=device)
        has_rule = self.learner.objective.rule is not None
        taus = torch.zeros(2, self.loader.steps, device=device) if has_rule else None
        return Position(epoch, 0, losses, hits, 0.0, last, taus)

    def _check_losses(self, losses: list[float]) -> None:
        for step, loss in enumerate(losses):
            if not math.isfinite(loss):
                raise TrainingDivergedError(
                    f"the loss became {loss} at epoch {self.position.epoch}, step {step}; "
                    "lower training.lr or raise training.warmup_epochs"
                )

    def _mean(self, losses: list[float]) -> float:
        """Mean over the epoch's images; the last batch may be smaller."""
        sizes = [len(range(self.loader.samples)[self.loader.rows(step)]) for step in range(len(losses))]
        return math.fsum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)

    def _validate(self) -> Score | None:
        finished = self.position.epoch + 1
        if finished % self.recipe.validate_every and finished < self._until:
            return None

        # The teacher's own validation is part of its training; a student's is a phase of its own.
        phase = Phase.VALIDATION if self.tag.phase is Phase.STUDENT_TRAINING else self.tag.phase
        with self.phase(phase) as handle:
            score = self.validation(self.learner.network, self.recipe)
            images = len(self.validation)
            forward = images * self.learner.evaluation_flops
            handle.add_work(images, flops=forward, forward_flops=forward)
        return score

    def _epoch_row(self, readings: StepReadings, score: Score | None) -> EpochRow:
        position, steps = self.position, self.loader.steps

        tau_mean = tau_sd = None
        if readings.tau_means is not None and readings.tau_sds is not None:
            tau_mean, tau_sd = statistics.fmean(readings.tau_means), statistics.fmean(readings.tau_sds)
        elif self.learner.objective.uses_temperature:
            tau_mean = float(self._temperatures.student.mean())

        return EpochRow(
            trial=self.tag.trial,
            attempt=self.tag.attempt,
            epoch=position.epoch,
            lr=self.recipe.learning_rate((position.epoch + 1) * steps - 1, steps),
            tau_mean=tau_mean,
            train_loss=self._mean(readings.losses),
            train_score=position.hits.item() / self.loader.samples if self.learner.task.has_hits else None,
            val_loss=score.loss if score else None,
            val_score=score.value if score else None,
            duration_s=position.duration_s,
            tau_sd=tau_sd,
        )

    def _steps_row(self, readings: StepReadings) -> StepsRow | None:
        """Returns τ and loss of each step of a trial; None where τ is the same at all of them, and in each batch."""
        taus = readings.tau_means or [float(tau) for tau in self._temperatures.student]
        sds, trial = readings.tau_sds, self.tag.trial

        has_effect = readings.tau_means is not None or self.learner.objective.uses_temperature
        varies = min(taus) < max(taus) or any(sds or ())
        if trial is None or not has_effect or not varies:
            return None

        return StepsRow(
            trial=trial,
            attempt=self.tag.attempt,
            epoch=self.position.epoch,
            taus=tuple(round(tau, 6) for tau in taus),
            losses=tuple(readings.losses),
            tau_sds=None if sds is None else tuple(round(sd, 6) for sd in sds),
        )
