"""Where a training gets the teacher's outputs from."""

from typing import Protocol

from greenkd.training.batches import Batch, EpochPlan
from greenkd.training.learner import TeacherOutputs


class TeacherSource(Protocol):
    """Where the loop gets the teacher's outputs from: the live network, or stored logits."""

    flops_per_image: float
    """What asking for outputs costs; zero where logits are read back."""

    def begin_epoch(self, epoch: int, plan: EpochPlan) -> None:
        """Called once before the first batch of an epoch."""
        ...

    def outputs(self, batch: Batch, rows: slice) -> TeacherOutputs:
        """Returns the teacher's outputs for one batch, which stands at `rows` of the epoch's order."""
        ...
