"""The training loop: one learner under one schedule, from the first step or from a checkpoint to the last."""

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from greenkd.energy import EnergyMonitor
from greenkd.errors import TrainingDivergedError, TrainingInterruptedError
from greenkd.records import EpochRow, Phase, StepsRow
from greenkd.temperature import Schedule, Temperatures
from greenkd.training.backend.threads import use_threads
from greenkd.training.batches import Batch, BatchLoader
from greenkd.training.checkpoint import Checkpointer, Position
from greenkd.training.evaluate import Evaluator, Score
from greenkd.training.learner import Learner, TeacherOutputs
from greenkd.training.recipe import Recipe
from greenkd.training.stop_signals import StopFlag
from greenkd.training.teacher_source import TeacherSource


class FitResult(NamedTuple):
    """How a training ended."""

    epochs: int
    train_loss: float
    val_loss: float
    val_score: float
    pruned: bool


@dataclasses.dataclass(frozen=True)
class PhaseTag:
    """Whom the energy of a training is booked to."""

    monitor: EnergyMonitor
    phase: Phase
    trial: int | None
    attempt: int
    ledger: Path | None = None  # another file than the campaign's: the teacher's, the bank's


class AddWork(Protocol):
    """Adds work to the bill of the training it was done for."""

    def __call__(self, images: int, *, flops: float, forward_flops: float) -> None:
        """See `PhaseHandle.add_work`."""
        ...


@dataclasses.dataclass(kw_only=True)
class Fit:
    """One training; `run` makes all of it, the methods after `run` make it step by step beside others.

    Attributes:
        seed: Seed of τ.
        processes: Trainings side by side on this machine, this one included.
        on_epoch: Receives the record of each finished epoch, and of its steps where τ varies; returns True to stop the
            training early.
        position: Where the training stands; set by `begin`.
    """

    learner: Learner
    loader: BatchLoader
    recipe: Recipe
    schedule: Schedule
    teacher: TeacherSource | None
    validation: Evaluator
    seed: int
    tag: PhaseTag
    checkpointer: Checkpointer
    stop: StopFlag
    on_epoch: Callable[[EpochRow, StepsRow | None], bool]
    device: torch.device
    threads: int | Literal["auto"]
    processes: int = 1
    position: Position = dataclasses.field(init=False)
    _temperatures: Temperatures = dataclasses.field(init=False)
    _taus: tuple[tuple[Tensor, ...], tuple[Tensor, ...]] = dataclasses.field(init=False)  # of student and teacher
    _started: float = dataclasses.field(init=False)

    def run(self) -> FitResult:
        """Trains to the last epoch.

        Raises:
            TrainingInterruptedError: A stop was asked for; a checkpoint of the last step is on disk.
            TrainingDivergedError: The loss became NaN or infinite.
        """
        tag, teacher = self.tag, self.teacher
        result = self.begin()
        while result is None:
            try:
                with tag.monitor.phase(tag.phase, trial=tag.trial, attempt=tag.attempt, ledger=tag.ledger) as metered:
                    plan = self.loader.plan(self.position.epoch)
                    if teacher is not None:
                        teacher.begin_epoch(self.position.epoch, plan)
                    self.begin_steps()
                    while self.position.step < self.loader.steps:
                        self.stop.check()
                        batch = self.loader.batch(plan, self.position.step)
                        outputs = teacher.outputs(batch, self.loader.rows(self.position.step)) if teacher else None
                        self.step(batch, outputs, metered.add_work, teacher.flops_per_image if teacher else 0.0)
            except TrainingInterruptedError:
                self.save()
                raise
            result = self.end_epoch()
        return result

    def begin(self) -> FitResult | None:
        """Takes up the checkpoint, if there is one; returns the result if nothing is left to train."""
        use_threads(self.threads, self.learner.flops.training * self.recipe.batch_size, self.processes)
        if self.learner.compiled:
            self._compile()
        loaded = self.checkpointer.load(self.learner.modules, self.learner.optimizer, self.device)
        self.position = loaded or self._start(0)
        return self._result() if self.position.epoch >= self.recipe.epochs else None

    def begin_steps(self) -> None:
        """Makes ready for the remaining steps of the epoch."""
        self._temperatures = self.schedule.temperatures(
            seed=self.seed, epoch=self.position.epoch, epochs=self.recipe.epochs, steps=self.loader.steps
        )
        student, teacher = (
            torch.from_numpy(values).to(self.device).unbind()
            for values in (self._temperatures.student, self._temperatures.teacher)
        )
        self._taus = student, teacher
        self.learner.network.train()
        self.learner.objective.train()
        self._started = time.monotonic() - self.position.duration_s

    def step(self, batch: Batch, outputs: TeacherOutputs | None, add_work: AddWork, teacher_flops: float) -> None:
        """Makes one step, and a checkpoint if one is due.

        Args:
            batch: What stands at this step of the epoch.
            outputs: What the teacher says about it.
            add_work: Books the step.
            teacher_flops: What the teacher's outputs cost this training, per image.
        """
        position, learner = self.position, self.learner
        taus = self._taus[0][position.step], self._taus[1][position.step]
        loss, correct = learner.step(position.epoch, position.step, batch, outputs, taus)
        position.losses[position.step] = loss
        position.correct += correct
        position.step += 1
        position.duration_s = time.monotonic() - self._started
        images = len(batch.labels)
        add_work(
            images,
            flops=images * (learner.flops.training + teacher_flops),
            forward_flops=images * (learner.flops.forward + teacher_flops),
        )
        if self.checkpointer.due():
            self.save()

    def end_epoch(self) -> FitResult | None:
        """Validates and reports; returns the result if the training has ended.

        Raises:
            TrainingDivergedError: The loss became NaN or infinite.
        """
        position = self.position
        losses = self._finite_losses(position)
        score = self._validate(position.epoch)
        if score is not None and not math.isfinite(score.loss):
            raise TrainingDivergedError(
                f"the validation loss became {score.loss} after epoch {position.epoch}; lower training.lr"
            )
        stop_early = self.on_epoch(*self._records(position, losses, score, self._temperatures))
        train_loss = self._mean(losses)
        last = (train_loss, *position.last[1:]) if score is None else (train_loss, score.loss, score.value)
        self.position = self._start(position.epoch + 1, last)
        if stop_early:
            return self._result(pruned=True)
        if self.checkpointer.due():
            self.save()
        return self._result() if self.position.epoch >= self.recipe.epochs else None

    def save(self) -> None:
        """Writes a checkpoint."""
        self.tag.monitor.flush()  # what the checkpoint cost is on the books before anyone goes on from it
        self.checkpointer.save(self.learner.modules, self.learner.optimizer, self.position)

    def _result(self, *, pruned: bool = False) -> FitResult:
        return FitResult(self.position.epoch, *self.position.last, pruned=pruned)

    def _compile(self) -> None:
        """Compiles the step for a whole batch and for a smaller last one, on the trial's bill as overhead."""
        tag, plan = self.tag, self.loader.plan(0)
        with tag.monitor.phase(Phase.OVERHEAD, trial=tag.trial, attempt=tag.attempt, ledger=tag.ledger):
            for step in sorted({0, self.loader.steps - 1}):
                self.learner.compile(self.loader.batch(plan, step).images)

    def _start(self, epoch: int, last: tuple[float, float, float] = (math.nan, math.nan, math.nan)) -> Position:
        losses = torch.zeros(self.loader.steps, device=self.device)
        return Position(epoch, 0, losses, torch.zeros((), dtype=torch.int64, device=self.device), 0.0, last)

    def _finite_losses(self, position: Position) -> list[float]:
        losses: list[float] = position.losses.tolist()  # the one synchronisation of the epoch
        for step, loss in enumerate(losses):
            if not math.isfinite(loss):
                raise TrainingDivergedError(
                    f"the loss became {loss} at epoch {position.epoch}, step {step}; "
                    "lower training.lr or raise training.warmup_epochs"
                )
        return losses

    def _mean(self, losses: list[float]) -> float:
        """Mean over the epoch's images; the last batch may be smaller."""
        sizes = [len(range(self.loader.samples)[self.loader.rows(step)]) for step in range(len(losses))]
        return math.fsum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)

    def _validate(self, epoch: int) -> Score | None:
        if (epoch + 1) % self.recipe.validate_every and epoch + 1 < self.recipe.epochs:
            return None
        tag = self.tag
        # The teacher's own validation belongs to its training's bill; a student's is a phase of its own.
        phase = Phase.VALIDATION if tag.phase is Phase.STUDENT_TRAINING else tag.phase
        with tag.monitor.phase(phase, trial=tag.trial, attempt=tag.attempt, ledger=tag.ledger) as metered:
            score = self.validation(self.learner.network, self.recipe)
            images = len(self.validation)
            forward = images * self.learner.evaluation_flops
            metered.add_work(images, flops=forward, forward_flops=forward)
        return score

    def _records(
        self, position: Position, losses: list[float], score: Score | None, temperatures: Temperatures
    ) -> tuple[EpochRow, StepsRow | None]:
        tag = self.tag
        tempered = self.learner.objective.uses_temperature
        taus = temperatures.student
        row = EpochRow(
            trial=tag.trial,
            attempt=tag.attempt,
            epoch=position.epoch,
            lr=self.recipe.learning_rate((position.epoch + 1) * self.loader.steps - 1, self.loader.steps),
            tau_mean=float(taus.mean()) if tempered else None,
            train_loss=self._mean(losses),
            train_score=position.correct.item() / self.loader.samples,
            val_loss=score.loss if score else None,
            val_score=score.value if score else None,
            duration_s=position.duration_s,
        )
        if tag.trial is None or not tempered or taus.min() == taus.max():
            return row, None
        values = tuple(round(float(tau), 6) for tau in taus)
        return row, StepsRow(
            trial=tag.trial, attempt=tag.attempt, epoch=position.epoch, taus=values, losses=tuple(losses)
        )
