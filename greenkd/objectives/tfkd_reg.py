"""Teacher-free distillation from a virtual teacher that is written down, not trained (Tf-KD_reg)."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from greenkd.errors import ConfigError
from greenkd.objectives.base import NO_MATRIX_PRODUCTS, LossFlops, LossInputs, Objective, Setup
from greenkd.objectives.divergence import Fraction, Reduction, Weight, cross_entropy, full_precision


class TfKDReg(Objective):
    """(1−α)·CE + α·m·KL(v ‖ p), with v the softened virtual teacher and p = softmax(z) the student's prediction.

    The virtual teacher puts c = 0.99 on the label and (1−c)/(K−1) on each other class, and is softened by
    v = softmax(those probabilities / τ): of probabilities, not of their logarithms, so v is near uniform for every
    τ > 1. There is no factor τ². The student is not softened unless `soften_student` is set.

    v has only two distinct values per row, a on the label and b elsewhere, so KL needs no [B, K] teacher:
    KL = a·log a + (K−1)·b·log b − (a−b)·log p_y − b·Σ_k log p_k.

    Args:
        alpha: Weight α of the regularisation term, 0…1.
        multiplier: Factor m of the divergence.
        true_class_probability: What the virtual teacher puts on the label before softening, above 1/K.
        soften_student: Whether p = softmax(z/τ_student), in place of the source's softmax(z).
        reduction: `element_mean` (default) divides by the number of classes as the source's code does, for which its
            α, τ and m were chosen; `batchmean` does not.

    Source: Yuan et al., "Revisiting Knowledge Distillation via Label Smoothing Regularization", CVPR 2020, and the
    function `loss_kd_regularization` of its code.
    """

    uses_temperature = True
    refuses_rules = "its teacher is written down, not trained: it has no logits that a rule could look at"

    def __init__(
        self,
        *,
        alpha: Fraction = 0.95,
        multiplier: Weight = 1.0,
        true_class_probability: Annotated[float, Field(gt=0, le=1)] = 0.99,
        soften_student: bool = False,
        reduction: Reduction = "element_mean",
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.multiplier = multiplier
        self.true_class_probability = true_class_probability
        self.soften_student = soften_student
        self.reduction: Reduction = reduction

    def setup(self, setup: Setup) -> None:
        """Checks the virtual teacher against the number of classes.

        Raises:
            ConfigError: The virtual teacher would not favour the label.
        """
        check_virtual_teacher(setup.num_classes, self.true_class_probability)

    def flops(self) -> LossFlops:
        """States none: there is no matrix product in the loss."""
        return NO_MATRIX_PRODUCTS

    def forward(self, batch: LossInputs) -> Tensor:
        """Returns the loss, 0-dim."""
        logits = full_precision(batch.student_logits)
        size, classes = logits.shape
        log_p = F.log_softmax(logits / batch.tau_student if self.soften_student else logits, dim=1)
        log_p_label = log_p.gather(1, batch.labels[:, None]).sum()

        log_a, log_b = virtual_teacher(classes, self.true_class_probability, batch.tau_teacher.to(logits.dtype))
        a, b = torch.exp(log_a), torch.exp(log_b)

        negative_entropy = size * (a * log_a + (classes - 1) * b * log_b)
        divergence = negative_entropy - (a - b) * log_p_label - b * log_p.sum()
        divergence = divergence / (size if self.reduction == "batchmean" else size * classes)

        hard = -log_p_label / size if not self.soften_student else cross_entropy(logits, batch.labels)
        return (1 - self.alpha) * hard + self.alpha * self.multiplier * divergence


def check_virtual_teacher(classes: int, true_class_probability: float) -> None:
    """Refuses a virtual teacher that does not favour the label.

    Raises:
        ConfigError: It would not.
    """
    if true_class_probability <= 1 / classes:
        raise ConfigError(
            f"objective.true_class_probability={true_class_probability}: must be above {1 / classes:.4g} "
            f"(1/{classes} classes), or the virtual teacher does not favour the label; the usual value is 0.99"
        )


def virtual_teacher(classes: int, true_class_probability: float, tau: Tensor) -> tuple[Tensor, Tensor]:
    """Returns the logarithms of what the softened virtual teacher puts on the label, and on each other class.

    Args:
        classes: K.
        true_class_probability: What it puts on the label before it is softened.
        tau: 0-dim, in the precision of the result.
    """
    # From their log-odds
    others = math.log(classes - 1)
    other_probability = (1 - true_class_probability) / (classes - 1)
    margin = (true_class_probability - other_probability) / tau - others
    return F.logsigmoid(margin), F.logsigmoid(-margin) - others
