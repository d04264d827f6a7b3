"""Decoupled knowledge distillation: the target class and the other classes weighed apart."""

from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from greenkd.objectives.base import NO_MATRIX_PRODUCTS, LossFlops, LossInputs, Objective, Setup, present
from greenkd.objectives.divergence import (
    Taus,
    Weight,
    add_up,
    cross_entropy,
    full_precision,
    kl_of_log_probabilities,
)
from greenkd.softening import Softening


class DKD(Objective):
    """CE + w(epoch)·τ²·(α·TCKD + β·NCKD), mean over the batch, with logits [B, K] of student and teacher.

    TCKD is the divergence between the two-way predictions (label, any other class); NCKD the divergence between the
    predictions over the K−1 other classes, renormalised; both softened by τ. They split plain distillation exactly:
    KL = TCKD + (1 − p_label of the teacher)·NCKD, per sample. DKD drops that factor, which is small where the teacher
    is sure. w rises linearly over the first epochs: (epoch + 1)/warmup_epochs, at most 1. With different temperatures
    for the two networks, τ² means τ_student·τ_teacher.

    Args:
        alpha: Weight α of the target-class part; 1 in the source.
        beta: Weight β of the other classes' part; 8 in the source for resnet32x4 → resnet8x4,
            6 for wrn-40-2 → wrn-16-2, 2 for resnet56 → resnet20, and 8 by default.
        warmup_epochs: Length of the rise; 0 for none. None: a twelfth of the training, as the source's 20 of 240
            epochs, so that a short training does not end before its distillation has begun.
        taus: Several τ, whose distillation terms are added up; the schedule's τ is then without effect. None: its τ
            alone.

    Sources: Zhao et al., "Decoupled Knowledge Distillation", CVPR 2022, section 3, and its code (mdistiller); for
    several τ Jin, Wang & Lin, "Multi-Level Logit Distillation", CVPR 2023.
    """

    teacher = "teacher"
    refuses_rules = None

    def __init__(
        self,
        *,
        alpha: Weight = 1.0,
        beta: Weight = 8.0,
        warmup_epochs: Annotated[int, Field(ge=0)] | None = None,
        taus: Taus = (),
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.beta = beta
        self.warmup_epochs = warmup_epochs
        self.taus = taus or None
        self.uses_temperature = not taus

    def setup(self, setup: Setup) -> None:
        """Sets the length of the rise where the configuration leaves it open."""
        if self.warmup_epochs is None:
            self.warmup_epochs = round(setup.epochs / 12)

    def flops(self) -> LossFlops:
        """States none: there is no matrix product in the loss."""
        return NO_MATRIX_PRODUCTS

    def forward(self, batch: LossInputs) -> Tensor:
        """Returns the loss, 0-dim."""
        distillation = add_up([self._distillation(batch, one) for one in self.soften_each(batch, self.taus)])

        warmup = min(1.0, (batch.epoch + 1) / self.warmup_epochs) if self.warmup_epochs else 1.0
        return cross_entropy(batch.student_logits, batch.labels) + warmup * distillation

    def _distillation(self, batch: LossInputs, softening: Softening) -> Tensor:
        """Returns τ²·(α·TCKD + β·NCKD), 0-dim."""
        tau_student, tau_teacher, factor = softening
        student = full_precision(batch.student_logits) / tau_student
        teacher = full_precision(present(batch.teacher_logits, "teacher_logits")) / tau_teacher

        # A factor that all samples share is taken out of their mean.
        if factor.dim() == 0:
            target, non_target = decoupled_divergences(student, teacher, batch.labels)
            return factor * (self.alpha * target + self.beta * non_target)
        target, non_target = decoupled_divergences(student, teacher, batch.labels, factor)
        return self.alpha * target + self.beta * non_target


def decoupled_divergences(
    student: Tensor, teacher: Tensor, labels: Tensor, weight: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Splits KL(teacher ‖ student) by the label (Zhao et al., CVPR 2022, section 3).

    Args:
        student: Softened logits [B, K].
        teacher: Softened logits [B, K].
        labels: int64 [B].
        weight: What each sample's divergences are multiplied with, [B, 1]; None: 1.

    Returns:
        TCKD and NCKD, both 0-dim and means over the batch; NCKD is without its factor 1 − p_label.
    """
    # The label's column is left out by index: masking it with −inf makes 0·(−inf) of the divergence, and masking it
    # with −1000, as the source does, is only right while logits/τ stay far below that.
    columns = torch.arange(student.shape[1] - 1, device=labels.device)
    columns = columns + (columns >= labels[:, None])
    student_others, teacher_others = student.gather(1, columns), teacher.gather(1, columns)

    student_odds = (student.gather(1, labels[:, None]) - student_others.logsumexp(1, keepdim=True)).squeeze(1)
    teacher_odds = (teacher.gather(1, labels[:, None]) - teacher_others.logsumexp(1, keepdim=True)).squeeze(1)

    target = kl_of_log_probabilities(_two_way(student_odds), _two_way(teacher_odds), "batchmean", weight)
    non_target = kl_of_log_probabilities(
        F.log_softmax(student_others, dim=1), F.log_softmax(teacher_others, dim=1), "batchmean", weight
    )
    return target, non_target


def _two_way(log_odds: Tensor) -> Tensor:
    """Turns log-odds [B] of the label into log-probabilities [B, 2] of (label, any other class)."""
    return torch.stack((F.logsigmoid(log_odds), F.logsigmoid(-log_odds)), dim=1)
