"""Distillation of detectors, anchor by anchor (Chen et al., in the form of ODKD)."""

from typing import Annotated, Literal, NamedTuple

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from greenkd.objectives.anchor_softening import SoftForm, per_anchor, soft_terms
from greenkd.objectives.base import NO_MATRIX_PRODUCTS, LossFlops, LossInputs, Objective, present
from greenkd.objectives.divergence import Fraction, Weight
from greenkd.objectives.multibox import (
    Anchors,
    Negatives,
    Prediction,
    choose_anchors,
    cross_entropies,
    localisation,
    predicted,
    true_offsets,
)
from greenkd.objectives.teacher_anchors import at_anchors, choose_kept, kept_outputs

_SIGMOID = "soft=sigmoid has no temperature"


class _Compared(NamedTuple):
    """What student and teacher say of the k anchors of each image at which they are compared."""

    student: Prediction  # logits [B, k, K+1], offsets [B, k, 4]
    teacher: Prediction
    targets: Tensor  # [B, k, 4], the true offsets
    anchors: Anchors  # [B, k]
    numbers: Tensor | None  # [B, k] int64, which of the A anchors these are; None: all


class SSDKD(Objective):
    """[(1−α)·H + α·S + λ·(R + B)]/N + γ·hint, with student and teacher on the same anchors.

    H, R and N are those of `SSD`; the hard negatives are the student's. S compares the softened class predictions over
    the same anchors as H, background included, in one of the forms of `soft_terms`; τ softens classes alone. B bounds
    the offsets by the teacher's: an anchor with a box whose squared distance to the true offsets, plus m, is above the
    teacher's adds ν times that distance, any other nothing. The hint is the mean squared difference of class logits,
    over all anchors.

    With `teacher_anchors`, S and B look at so many anchors of each image only: those with a box, and the background
    with the largest cross-entropy by the teacher, at most as many for each box as in H. That is what a bank can hold,
    and it is another loss: the background whose soft targets are learned is what the teacher finds hard, not the
    student. The hint needs all anchors.

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
        teacher_anchors: Anchors of each image that the teacher is asked about; None: all.

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
        teacher_anchors: Annotated[int, Field(ge=1)] | None = None,
    ) -> None:
        super().__init__()
        if teacher_anchors is not None and hint_weight > 0:
            raise ValueError(
                f"teacher_anchors={teacher_anchors} leaves the other anchors out, and the hint needs all: give "
                "objective.hint_weight=0, or objective.teacher_anchors=null"
            )
        self.alpha = alpha
        self.soft: SoftForm = soft
        self.tau_squared = tau_squared
        self.background_weight = background_weight
        self.localisation_weight = localisation_weight
        self.bound_weight = bound_weight
        self.bound_margin = bound_margin
        self.hint_weight = hint_weight
        self.negatives = negatives
        self.teacher_anchors = teacher_anchors
        self.uses_temperature = soft != "sigmoid"
        self.refuses_rules = None if self.uses_temperature else _SIGMOID

    def flops(self) -> LossFlops:
        """States none: there is no matrix product in the loss."""
        return NO_MATRIX_PRODUCTS

    def forward(self, batch: LossInputs) -> Tensor:
        """Returns the loss, 0-dim."""
        student = predicted(batch.student_logits)
        entropies = cross_entropies(student.logits, batch.labels)
        counted = choose_anchors(entropies, batch.labels, self.negatives)
        compared = self._compared(batch, student, counted)

        # Classes
        hard = (entropies * counted.chosen).sum()
        soft = (self._soft(batch, compared) * compared.anchors.chosen.flatten()).sum()

        # Boxes
        regression = localisation(student.offsets, true_offsets(batch, student.offsets), counted.positive)
        bound = self._bound(compared)

        classes = (1 - self.alpha) * hard + self.alpha * soft
        boxes = self.localisation_weight * (regression + bound)
        loss = (classes + boxes) / counted.number
        if self.teacher_anchors is not None:
            return loss
        return loss + self.hint_weight * F.mse_loss(student.logits, compared.teacher.logits)

    def _compared(self, batch: LossInputs, student: Prediction, counted: Anchors) -> _Compared:
        """Returns the anchors at which student and teacher are compared: all, or those that are kept of the teacher."""
        outputs, targets = present(batch.teacher_logits, "teacher_logits"), true_offsets(batch, student.offsets)
        if self.teacher_anchors is None:
            return _Compared(student, predicted(outputs), targets, counted, None)

        kept, numbers = kept_outputs(outputs)
        ours = Prediction(*(at_anchors(values, numbers) for values in student))
        chosen = choose_kept(batch.labels, numbers, self.negatives)
        return _Compared(ours, predicted(kept), at_anchors(targets, numbers), chosen, numbers)

    def _soft(self, batch: LossInputs, compared: _Compared) -> Tensor:
        """Returns what the softened prediction of every anchor that is compared differs by, flat."""
        anchors = per_anchor(batch, compared.student.logits, compared.teacher.logits, compared.numbers)
        return soft_terms(
            anchors.student_logits,
            present(anchors.teacher_logits, "teacher_logits"),
            self.soften(anchors),
            self.soft,
            background_weight=self.background_weight,
            tau_squared=self.tau_squared,
        )

    def _bound(self, compared: _Compared) -> Tensor:
        """Returns ν times the squared distances of the boxes that are farther off than the teacher's, 0-dim."""
        distances = (compared.student.offsets - compared.targets).square().sum(dim=-1)
        allowed = (compared.teacher.offsets - compared.targets).square().sum(dim=-1)

        farther = torch.logical_and(distances.detach() + self.bound_margin > allowed, compared.anchors.positive)
        return self.bound_weight * (distances * farther).sum()


class SSDSelf(SSDKD):
    """`SSDKD` without a larger teacher: the student's own copy, trained before with the MultiBox loss, teaches it.

    Source: the idea of Tf-KD_self (Yuan et al., CVPR 2020; `TfKDSelf`) on the anchors of a detector.
    """

    teacher = "student"
