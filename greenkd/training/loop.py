"""The training loop: one learner under one schedule, from the first step or from a checkpoint to the last."""

import dataclasses
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import torch

from greenkd.energy import EnergyBook
from greenkd.errors import GreenkdError
from greenkd.records import EpochRow, Phase, StepsRow
from greenkd.temperature import Schedule, Temperatures
from greenkd.training.checkpoint import Checkpointer, Position
from greenkd.training.evaluate import Evaluator, Score
from greenkd.training.feed import EpochPlan, FedBatch, Feed
from greenkd.training.interrupt import StopFlag, TrainingInterruptedError
from greenkd.training.learner import Learner, TeacherOutputs
from greenkd.training.recipe import Recipe
from greenkd.training.threads import use_threads


class TrainingDivergedError(GreenkdError):
    """The training loss is no longer a number."""


class TeacherSignal(Protocol):
    """Where the loop gets the teacher's outputs from: the live network, or stored logits."""

    flops_per_image: float
    """What asking for outputs costs; zero where logits are read back."""

    def begin_epoch(self, epoch: int, plan: EpochPlan) -> None:
        """Called once before the first batch of an epoch."""
        ...

    def outputs(self, batch: FedBatch, rows: slice) -> TeacherOutputs:
        """Returns the teacher's outputs for one batch, which stands at `rows` of the epoch's order."""
        ...


class FitResult(NamedTuple):
    """How a training ended."""

    epochs: int
    train_loss: float
    val_loss: float
    val_accuracy: float
    pruned: bool


@dataclasses.dataclass(frozen=True)
class Billing:
    """Whom the energy of a training is booked to."""

    book: EnergyBook
    phase: Phase
    trial: int | None
    attempt: int
    ledger: Path | None = None  # another file than the campaign's: the teacher's, the bank's


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fit:
    """One training.

    Attributes:
        seed: Seed of τ.
        processes: Trainings side by side on this machine, this one included.
        on_epoch: Receives the record of each finished epoch, and of its steps where τ varies; returns True to stop the
            training early.
    """

    learner: Learner
    feed: Feed
    recipe: Recipe
    schedule: Schedule
    teacher: TeacherSignal | None
    validation: Evaluator
    seed: int
    billing: Billing
    checkpointer: Checkpointer
    stop: StopFlag
    on_epoch: Callable[[EpochRow, StepsRow | None], bool]
    device: torch.device
    threads: int | Literal["auto"]
    processes: int = 1

    def run(self) -> FitResult:
        """Trains to the last epoch.

        Raises:
            TrainingInterruptedError: A stop was asked for; a checkpoint of the last step is on disk.
            TrainingDivergedError: The loss became NaN or infinite.
        """
        use_threads(self.threads, self.learner.flops.training * self.recipe.batch_size, self.processes)
        if self.learner.compiled:
            self._compile()
        position = self.checkpointer.load(self.learner.modules, self.learner.optimizer, self.device) or self._start(0)
        while position.epoch < self.recipe.epochs:
            temperatures = self.schedule.temperatures(
                seed=self.seed, epoch=position.epoch, epochs=self.recipe.epochs, steps=self.feed.steps
            )
            try:
                self._train(position, temperatures)
            except TrainingInterruptedError:
                self._save(position)
                raise
            losses = self._finite_losses(position)
            score = self._validate(position.epoch)
            if score is not None and not math.isfinite(score.loss):
                raise TrainingDivergedError(
                    f"the validation loss became {score.loss} after epoch {position.epoch}; lower training.lr"
                )
            stop_early = self.on_epoch(*self._records(position, losses, score, temperatures))
            train_loss = self._mean(losses)
            last = (train_loss, *position.last[1:]) if score is None else (train_loss, score.loss, score.accuracy)
            position = self._start(position.epoch + 1, last)
            if stop_early:
                return FitResult(position.epoch, *position.last, pruned=True)
            if self.checkpointer.due():
                self._save(position)
        return FitResult(position.epoch, *position.last, pruned=False)

    def _compile(self) -> None:
        """Compiles the step for a whole batch and for a smaller last one, on the trial's bill as overhead."""
        billing, plan = self.billing, self.feed.plan(0)
        with billing.book.phase(Phase.OVERHEAD, trial=billing.trial, attempt=billing.attempt, ledger=billing.ledger):
            for step in sorted({0, self.feed.steps - 1}):
                self.learner.compile(self.feed.batch(plan, step).images)

    def _start(self, epoch: int, last: tuple[float, float, float] = (math.nan, math.nan, math.nan)) -> Position:
        losses = torch.zeros(self.feed.steps, device=self.device)
        return Position(epoch, 0, losses, torch.zeros((), dtype=torch.int64, device=self.device), 0.0, last)

    def _save(self, position: Position) -> None:
        self.billing.book.flush()  # what the checkpoint cost is on the books before anyone goes on from it
        self.checkpointer.save(self.learner.modules, self.learner.optimizer, position)

    def _train(self, position: Position, temperatures: Temperatures) -> None:
        """Makes the remaining steps of one epoch; `position` follows step by step."""
        tau_student = torch.from_numpy(temperatures.student).to(self.device).unbind()
        tau_teacher = torch.from_numpy(temperatures.teacher).to(self.device).unbind()
        billing = self.billing
        with billing.book.phase(
            billing.phase, trial=billing.trial, attempt=billing.attempt, ledger=billing.ledger
        ) as metered:
            plan = self.feed.plan(position.epoch)
            if self.teacher is not None:
                self.teacher.begin_epoch(position.epoch, plan)
            started = time.monotonic() - position.duration_s
            self.learner.network.train()
            self.learner.objective.train()
            extra = self.teacher.flops_per_image if self.teacher else 0.0
            while position.step < self.feed.steps:
                self.stop.check()
                batch = self.feed.batch(plan, position.step)
                rows = self.feed.rows(position.step)
                outputs = self.teacher.outputs(batch, rows) if self.teacher else None
                taus = tau_student[position.step], tau_teacher[position.step]
                loss, correct = self.learner.step(position.epoch, position.step, batch, outputs, taus)
                position.losses[position.step] = loss
                position.correct += correct
                position.step += 1
                position.duration_s = time.monotonic() - started
                images = rows.stop - rows.start
                metered.add_work(
                    images,
                    flops=images * (self.learner.flops.training + extra),
                    forward_flops=images * (self.learner.flops.forward + extra),
                )
                if self.checkpointer.due():
                    self._save(position)

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
        sizes = [len(range(self.feed.samples)[self.feed.rows(step)]) for step in range(len(losses))]
        return math.fsum(loss * size for loss, size in zip(losses, sizes, strict=True)) / sum(sizes)

    def _validate(self, epoch: int) -> Score | None:
        if (epoch + 1) % self.recipe.validate_every and epoch + 1 < self.recipe.epochs:
            return None
        billing = self.billing
        # The teacher's own validation belongs to its training's bill; a student's is a phase of its own.
        phase = Phase.VALIDATION if billing.phase is Phase.STUDENT_TRAINING else billing.phase
        with billing.book.phase(phase, trial=billing.trial, attempt=billing.attempt, ledger=billing.ledger) as metered:
            score = self.validation(self.learner.network, self.recipe)
            images = len(self.validation)
            forward = images * self.learner.evaluation_flops
            metered.add_work(images, flops=forward, forward_flops=forward)
        return score

    def _records(
        self, position: Position, losses: list[float], score: Score | None, temperatures: Temperatures
    ) -> tuple[EpochRow, StepsRow | None]:
        billing = self.billing
        tempered = self.learner.objective.uses_temperature
        taus = temperatures.student
        row = EpochRow(
            trial=billing.trial,
            attempt=billing.attempt,
            epoch=position.epoch,
            lr=self.recipe.learning_rate((position.epoch + 1) * self.feed.steps - 1, self.feed.steps),
            tau_mean=float(taus.mean()) if tempered else None,
            train_loss=self._mean(losses),
            train_accuracy=position.correct.item() / self.feed.samples,
            val_loss=score.loss if score else None,
            val_accuracy=score.accuracy if score else None,
            duration_s=position.duration_s,
        )
        if billing.trial is None or not tempered or taus.min() == taus.max():
            return row, None
        values = tuple(round(float(tau), 6) for tau in taus)
        return row, StepsRow(
            trial=billing.trial, attempt=billing.attempt, epoch=position.epoch, taus=values, losses=tuple(losses)
        )
