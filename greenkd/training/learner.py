"""What a training changes: the network, the objective with its own trainable parts, and the optimiser of both."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from greenkd.energy.flops import Flops
from greenkd.objectives import LossInputs, Objective
from greenkd.streams import stream_seed
from greenkd.tasks import AnyTask
from greenkd.training.batches import Batch
from greenkd.training.feature_hook import FeatureHook
from greenkd.training.recipe import Recipe


@dataclasses.dataclass(frozen=True)
class TeacherOutputs:
    """What the teacher says about one batch; none of it carries a gradient."""

    logits: Tensor  # [B, K]; in detection [B, A, K+1+4], or what is kept of it
    features: Tensor | None  # [B, G]


class StepOutcome(NamedTuple):
    """What one optimiser step says; all on the device."""

    loss: Tensor  # 0-dim
    hits: Tensor  # 0-dim int64, images that were right
    taus: Tensor | None  # [2], mean and standard deviation of the student's τ within the batch; None without a rule


class Learner:
    """One network in training.

    Args:
        network: On the device, channels-last.
        objective: Set up, on the device.
        task: Says what counts as a hit.
        recipe: Learning rate, precision, optimiser.
        flops: Of one image in training, the objective's own (a peer, matrix products of the loss) included.
        evaluation_flops: Of one image in evaluation: the network's forward pass alone.
        seed: Seed of dropout.
        steps_per_epoch: Batches per epoch.
        compiled: Run the network's training steps through `torch.compile`. A network whose features are distilled runs
            as written, for they are caught by a hook.
    """

    def __init__(
        self,
        network: nn.Module,
        objective: Objective,
        task: AnyTask,
        recipe: Recipe,
        flops: Flops,
        evaluation_flops: float,
        seed: int,
        steps_per_epoch: int,
        *,
        compiled: bool = False,
    ) -> None:
        self.network = network
        self.objective = objective
        self.flops = flops
        self.evaluation_flops = evaluation_flops
        self.task = task
        self._recipe = recipe
        self._seed = seed
        self._steps_per_epoch = steps_per_epoch
        self.optimizer = recipe.optimizer([*network.parameters(), *objective.parameters()])

        self._hook = FeatureHook(network) if objective.wants_features else None
        self.compiled = compiled and self._hook is None
        # Evaluation runs the network as written: compiling it in a second mode costs more than its passes would save.
        self._forward: Callable[[Tensor], Tensor] = torch.compile(network, dynamic=False) if self.compiled else network
        self._generator = _default_generator(next(network.parameters()).device)

    @property
    def modules(self) -> dict[str, nn.Module]:
        """What a checkpoint holds besides the optimiser."""
        return {"network": self.network, "objective": self.objective}

    def compile(self, images: Tensor) -> None:
        """Compiles the training step for batches of one size, and leaves the network as it was.

        Args:
            images: [B, C, H, W], as a batch of that size lies in memory; the values do not matter.
        """
        buffers = [buffer.clone() for buffer in self.network.buffers()]

        self.network.train()
        with self._recipe.autocast(images.device):
            loss = self._forward(images).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.zero_grad(set_to_none=True)

        # The batch norms have seen made-up images; they forget them.
        with torch.no_grad():
            for buffer, before in zip(self.network.buffers(), buffers, strict=True):
                buffer.copy_(before)

    def step(
        self, epoch: int, step: int, batch: Batch, teacher: TeacherOutputs | None, taus: tuple[Tensor, Tensor]
    ) -> StepOutcome:
        """Makes one optimiser step.

        Args:
            epoch: Zero-based epoch.
            step: Step within the epoch.
            batch: What the network sees.
            teacher: What the teacher says about it.
            taus: Base τ of student and teacher, 0-dim each.
        """
        # Dropout and learning rate of this step
        done = epoch * self._steps_per_epoch + step
        # Not torch.manual_seed: until a GPU is first used, every call of it keeps stack traces for later (0.5 ms).
        self._generator.manual_seed(stream_seed(self._seed, "dropout", done))
        for group in self.optimizer.param_groups:
            group["lr"] = self._recipe.learning_rate(done, self._steps_per_epoch)

        # Forward
        with self._recipe.autocast(batch.images.device):
            logits = self._forward(batch.images)
            loss: Tensor = self.objective(
                LossInputs(
                    images=batch.images,
                    labels=batch.labels,
                    indices=batch.indices,
                    student_logits=logits,
                    teacher_logits=teacher.logits if teacher else None,
                    student_features=self._hook.features if self._hook else None,
                    teacher_features=teacher.features if teacher else None,
                    tau_student=taus[0],
                    tau_teacher=taus[1],
                    epoch=epoch,
                    offsets=batch.offsets,
                )
            )

        # Backward
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        hits = self.task.count_hits(logits.detach(), batch.labels)
        return StepOutcome(loss.detach(), hits, self._student_taus())

    def _student_taus(self) -> Tensor | None:
        """Returns mean and standard deviation [2] of what the rule softened the student by in the last step."""
        taus = self.objective.student_taus
        if taus is None:
            return None
        sd, mean = torch.std_mean(taus.to(torch.float32), correction=0)
        return torch.stack((mean, sd))


def _default_generator(device: torch.device) -> torch.Generator:
    """Returns the generator that dropout on this device draws from."""
    if device.type == "cuda":
        torch.cuda.init()  # type: ignore[no-untyped-call]
        return torch.cuda.default_generators[torch.cuda.current_device() if device.index is None else device.index]
    return torch.mps._get_default_mps_generator() if device.type == "mps" else torch.default_generator
