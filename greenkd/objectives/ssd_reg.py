"""Teacher-free distillation of detectors from a virtual teacher of every anchor's class (Tf-KD_reg)."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor

from greenkd.objectives.base import NO_MATRIX_PRODUCTS, LossFlops, LossInputs, Objective, Setup
from greenkd.objectives.divergence import Fraction, Weight
from greenkd.objectives.multibox import (
    Negatives,
    choose_anchors,
    localisation,
    log_probabilities,
    predicted,
    true_offsets,
)
from greenkd.objectives.tfkd_reg import check_virtual_teacher, virtual_teacher


class SSDReg(Objective):
    """[(1−α)·H + α·m·V + R]/N: the MultiBox loss, with a virtual teacher for the classes of the anchors that count.

    H, R and N are those of `SSD`. V is KL(v ‖ softmax(z)), summed over the same anchors as H, with v the softened
    virtual teacher of `TfKDReg` over the K+1 classes: near uniform for every τ > 1, and without τ².

    Args:
        alpha: Weight α of the regularisation term, 0…1.
        multiplier: Factor m of the divergence.
        true_class_probability: What the virtual teacher puts on the label before softening, above 1/(K+1).
        negatives: Hard negatives for each positive of an image.

    Sources: Yuan et al., "Revisiting Knowledge Distillation via Label Smoothing Regularization", CVPR 2020; the
    MultiBox loss of `SSD`.
    """

    task = "detection"
    uses_temperature = True
    refuses_rules = "its teacher is written down, not trained: it has no logits that a rule could look at"

    def __init__(
        self,
        *,
        alpha: Fraction = 0.1,
        multiplier: Weight = 1.0,
        true_class_probability: Annotated[float, Field(gt=0, le=1)] = 0.99,
        negatives: Negatives = 3.0,
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.multiplier = multiplier
        self.true_class_probability = true_class_probability
        self.negatives = negatives

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
        logits, offsets = predicted(batch.student_logits)
        log_p = log_probabilities(logits.flatten(0, 1)).view_as(logits)
        log_p_label = log_p.gather(-1, batch.labels.unsqueeze(-1)).squeeze(-1)
        positive, chosen = counted = choose_anchors(-log_p_label, batch.labels, self.negatives)

        # The virtual teacher puts a on the label and b on each other class.
        classes = logits.shape[-1]
        log_a, log_b = virtual_teacher(classes, self.true_class_probability, batch.tau_teacher.to(logits.dtype))
        a, b = torch.exp(log_a), torch.exp(log_b)
        negative_entropy = a * log_a + (classes - 1) * b * log_b
        divergences = negative_entropy - (a - b) * log_p_label - b * log_p.sum(dim=-1)

        terms = (1 - self.alpha) * -log_p_label + self.alpha * self.multiplier * divergences
        return ((terms * chosen).sum() + localisation(offsets, true_offsets(batch, offsets), positive)) / counted.number
