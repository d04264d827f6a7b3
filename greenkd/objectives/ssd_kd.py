"""Distillation of detectors, anchor by anchor (Chen et al., in the form of ODKD)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from greenkd.objectives.anchor_softening import SoftForm, per_anchor, soft_terms
from greenkd.objectives.base import NO_MATRIX_PRODUCTS, LossFlops, LossInputs, Objective, present
from greenkd.objectives.divergence import Fraction, Weight
from greenkd.objectives.multibox import (
    Negatives,
    choose_anchors,
    cross_entropies,
    localisation,
    predicted,
    true_offsets,
)

_SIGMOID = "soft=sigmoid has no temperature"


class SSDKD(Objective):
    """[(1−α)·H + α·S + λ·(R + B)]/N + γ·hint, with student and teacher on the same anchors.

    H, R and N are those of `SSD`; the hard negatives are the student's. S compares the softened class predictions over
    the same anchors as H, background included, in one of the forms of `soft_terms`; τ softens classes alone. B bounds
    the offsets by the teacher's: an anchor with a box whose squared distance to the true offsets, plus m, is above the
    teacher's adds ν times that distance, any other nothing. The hint is the mean squared difference of class logits,
    over all anchors.

    ODKD compares the distance of the whole batch with the teacher's where this compares each box's, as the paper does;
    and it has no τ², so that its distillation fades with 1/τ² as τ grows.

    Args:
        alpha: Weight α of the softened term, 0…1.
        soft: Form of the softened term.
        tau_squared: Whether it carries the factor τ².
        background_weight: The background's weight in `soft=weighted_ce`, where it has nearly all of the mass.
        localisation_weight: λ.
        bound_weight: ν.
        bound_margin: m.
        hint_weight: γ.
        negatives: Hard negatives for each positive of an image.

    Sources: Chen et al., "Learning Efficient Object Detection Models with Knowledge Distillation", NeurIPS 2017,
    equations 1 to 5, and the code of Object-Detection-Knowledge-Distillation (ODKD), whose values these are.
    """

    task = "detection"
    teacher: Literal["teacher", "student"] = "teacher"

    def __init__(
        self,
        *,
        alpha: Fraction = 0.5,
        soft: SoftForm = "weighted_ce",
        tau_squared: bool = True,
        background_weight: Weight = 1.5,
        localisation_weight: Weight = 1.0,
        bound_weight: Weight = 0.5,
        bound_margin: Weight = 0.0,
        hint_weight: Weight = 0.5,
        negatives: Negatives = 3.0,
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.soft: SoftForm = soft
        self.tau_squared = tau_squared
        self.background_weight = background_weight
        self.localisation_weight = localisation_weight
        self.bound_weight = bound_weight
        self.bound_margin = bound_margin
        self.hint_weight = hint_weight
        self.negatives = negatives
        self.uses_temperature = soft != "sigmoid"
        self.refuses_rules = None if self.uses_temperature else _SIGMOID

    def flops(self) -> LossFlops:
        """States none: there is no matrix product in the loss."""
        return NO_MATRIX_PRODUCTS

    def forward(self, batch: LossInputs) -> Tensor:
        """Returns the loss, 0-dim."""
        logits, offsets = predicted(batch.student_logits)
        teacher_logits, teacher_offsets = predicted(present(batch.teacher_logits, "teacher_logits"))
        entropies = cross_entropies(logits, batch.labels)
        positive, chosen = counted = choose_anchors(entropies, batch.labels, self.negatives)

        # Classes
        hard = (entropies * chosen).sum()
        soft = (self._soft(batch, logits, teacher_logits) * chosen.flatten()).sum()

        # Boxes
        targets = true_offsets(batch, offsets)
        regression = localisation(offsets, targets, positive)
        bound = self._bound(offsets, teacher_offsets, targets, positive)

        classes = (1 - self.alpha) * hard + self.alpha * soft
        boxes = self.localisation_weight * (regression + bound)
        return (classes + boxes) / counted.number + self.hint_weight * F.mse_loss(logits, teacher_logits)

    def _soft(self, batch: LossInputs, logits: Tensor, teacher_logits: Tensor) -> Tensor:
        """Returns what every anchor's softened prediction differs by, [B·A]."""
        anchors = per_anchor(batch, logits, teacher_logits)
        return soft_terms(
            anchors.student_logits,
            present(anchors.teacher_logits, "teacher_logits"),
            self.soften(anchors),
            self.soft,
            background_weight=self.background_weight,
            tau_squared=self.tau_squared,
        )

    def _bound(self, offsets: Tensor, teacher_offsets: Tensor, targets: Tensor, positive: Tensor) -> Tensor:
        """Returns ν times the squared distances of the boxes that are farther off than the teacher's, 0-dim."""
        distances = (offsets - targets).square().sum(dim=-1)
        allowed = (teacher_offsets - targets).square().sum(dim=-1)

        farther = torch.logical_and(distances.detach() + self.bound_margin > allowed, positive)
        return self.bound_weight * (distances * farther).sum()


class SSDSelf(SSDKD):
    """`SSDKD` without a larger teacher: the student's own copy, trained before with the MultiBox loss, teaches it.

    Source: the idea of Tf-KD_self (Yuan et al., CVPR 2020; `TfKDSelf`) on the anchors of a detector.
    """

    teacher = "student"
