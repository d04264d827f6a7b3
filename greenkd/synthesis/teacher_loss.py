"""What a teacher says of images in the making, as a loss: are they of their class, and like its training data?"""

from torch import Tensor, nn
from torch.nn import functional as F

from greenkd.synthesis.base import SynthesisSetup
from greenkd.synthesis.losses import likeness
from greenkd.synthesis.statistics import BatchNormStatistics


class TeacherLoss:
    """bn_weight · distance of the batch norms' statistics + class_weight · cross-entropy to the targets.

    With a student, + adversarial · its likeness to the teacher.

    Args:
        setup: Holds the teacher.
        bn_weight: Weight of the statistics; 0: the teacher's batch norms, if it has any, are not looked at.
        class_weight: Weight of the cross-entropy.
        momentum: Share of earlier rounds in the statistics.
        adversarial: Weight of the student's likeness to the teacher.
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
        adversarial: float = 0.0,
        reads_features: bool = False,
    ) -> None:
        self._teacher = setup.teacher
        self._bn_weight, self._class_weight, self._adversarial = bn_weight, class_weight, adversarial

        is_read = bn_weight > 0 or reads_features
        self.statistics = BatchNormStatistics(setup.teacher, momentum) if is_read else None

    def __call__(self, views: Tensor, targets: Tensor, student: nn.Module | None = None) -> Tensor:
        """Returns the loss of a batch, 0-dim.

        Args:
            views: [B, C, H, W] as the teacher takes them.
            targets: int64 [B].
            student: In evaluation mode, frozen; None: none is looked at.
        """
        logits = self._teacher(views)
        loss = self._class_weight * F.cross_entropy(logits, targets)
        if student is not None and self._adversarial:
            loss = loss + self._adversarial * likeness(student(views), logits)
        if self.statistics is not None and self._bn_weight:
            loss = loss + self._bn_weight * self.statistics.loss()
        return loss
