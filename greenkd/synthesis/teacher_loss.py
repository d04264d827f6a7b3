"""What a teacher says of images in the making, as a loss: are they of their class, and like its training data?"""

from torch import Tensor
from torch.nn import functional as F

from greenkd.synthesis.base import SynthesisSetup
from greenkd.synthesis.statistics import BatchNormStatistics


class TeacherLoss:
    """bn_weight · distance of the batch norms' statistics + class_weight · cross-entropy to the targets.

    Args:
        setup: Holds the teacher.
        bn_weight: Weight of the statistics; 0: the teacher's batch norms, if it has any, are not looked at.
        class_weight: Weight of the cross-entropy.
        momentum: Share of earlier rounds in the statistics.
        reads_features: The batch norms' inputs are wanted whatever their weight.

    Attributes:
        statistics: Of the last forward pass; None where they are not looked at.
    """

    def __init__(
        self,
        setup: SynthesisSetup,
        bn_weight: float,
        class_weight: float,
        momentum: float = 0.0,
        *,
        reads_features: bool = False,
    ) -> None:
        self._teacher = setup.teacher
        self._bn_weight, self._class_weight = bn_weight, class_weight

        is_read = bn_weight > 0 or reads_features
        self.statistics = BatchNormStatistics(setup.teacher, momentum) if is_read else None

    def __call__(self, views: Tensor, targets: Tensor) -> Tensor:
        """Returns the loss of a batch, 0-dim.

        Args:
            views: [B, C, H, W] as the teacher takes them.
            targets: int64 [B].
        """
        loss = self._class_weight * F.cross_entropy(self._teacher(views), targets)
        if self.statistics is not None and self._bn_weight:
            loss = loss + self._bn_weight * self.statistics.loss()
        return loss
