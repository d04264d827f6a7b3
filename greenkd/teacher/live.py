"""The live teacher: one forward pass per batch, in evaluation mode and without gradients."""

import torch
from torch import Tensor, nn

from greenkd.objectives.teacher_anchors import keep_anchors
from greenkd.training.batches import Batch, EpochPlan
from greenkd.training.feature_hook import FeatureHook
from greenkd.training.learner import TeacherOutputs
from greenkd.training.recipe import Recipe


class LiveTeacher:
    """Runs the teacher on every batch.

    Args:
        network: The trained teacher, on the device.
        recipe: Its precision is used.
        flops_per_image: FLOPs of one forward pass.
        wants_features: Whether penultimate features are returned too.
        anchors: How many anchors of each picture are kept of a detector's outputs; None: all.
    """

    def __init__(
        self,
        network: nn.Module,
        recipe: Recipe,
        flops_per_image: float,
        wants_features: bool,
        anchors: int | None = None,
    ) -> None:
        self._network = network.eval()
        self._recipe = recipe
        self.flops_per_image = flops_per_image
        self._hook = FeatureHook(network) if wants_features else None
        self._anchors = anchors

    @property
    def feature_size(self) -> int | None:
        """Length of the feature vector; None where no features are wanted."""
        return self._hook.size if self._hook else None

    def begin_epoch(self, epoch: int, plan: EpochPlan) -> None:
        """Needs no preparation."""

    def outputs(self, batch: Batch, rows: slice) -> TeacherOutputs:
        """Runs one batch."""
        with torch.inference_mode(), self._recipe.autocast(batch.images.device):
            logits: Tensor = self._network(batch.images)
            if self._anchors is not None:
                logits = keep_anchors(logits.float(), batch.labels, self._anchors)
        features = self._hook.features if self._hook else None

        # Inference tensors cannot take part in autograd; copies of them can.
        return TeacherOutputs(logits.float().clone(), None if features is None else features.float().clone())
