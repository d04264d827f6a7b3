"""Kullback-Leibler divergence between softened predictions: the term that the temperature acts on."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, float32, float64
from torch.nn import functional as F

from greenkd.softening import squared_tau

Fraction = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Taus = tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...]

Reduction = Literal["batchmean", "element_mean"]
"""How [B, K] terms become one number: their sum divided by B, or by B·K (PyTorch's default "mean")."""


def full_precision(values: Tensor) -> Tensor:
    """Returns float32 for tensors of lower precision; float32 and float64 are returned as they are."""
    return values if values.dtype in (float32, float64) else values.float()


def add_up(losses: Sequence[Tensor]) -> Tensor:
    """Returns the sum of 0-dim losses, at least one; a single one as it is."""
    total = losses[0]
    for loss in losses[1:]:
        total = total + loss
    return total


def cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Returns the cross-entropy of logits [B, K] with labels [B], mean over the batch, 0-dim, in at least float32.

    Args:
        logits: [B, K].
        labels: int64 [B].
        smoothing: PyTorch's label smoothing: the weight that is spread over all K classes, the label included.
    """
    return F.cross_entropy(full_precision(logits), labels, label_smoothing=smoothing)


def kl_of_log_probabilities(
    log_student: Tensor, log_teacher: Tensor, reduction: Reduction, weight: Tensor | None = None
) -> Tensor:
    """Returns KL(teacher ‖ student) of two tensors [B, K] of log-probabilities, 0-dim.

    Args:
        log_student: [B, K].
        log_teacher: [B, K].
        reduction: Whether the sum over [B, K] is divided by B or by B·K.
        weight: What each sample's divergence is multiplied with, [B, 1]; None: 1.
    """
    # PyTorch's own "mean" is announced to become "batchmean", so the division by K is ours.
    if weight is None:
        divergence = F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    else:
        terms = F.kl_div(log_student, log_teacher, reduction="none", log_target=True)
        divergence = (weight * terms).sum() / len(log_student)

    return divergence if reduction == "batchmean" else divergence / log_student.shape[-1]


def softened_kl(
    student_logits: Tensor,
    teacher_logits: Tensor,
    tau_student: Tensor,
    tau_teacher: Tensor,
    factor: Tensor | None = None,
    *,
    reduction: Reduction = "batchmean",
    tau_squared: bool = True,
) -> Tensor:
    """Softens both predictions and compares them: τ²·KL(softmax(teacher/τ_teacher) ‖ softmax(student/τ_student)).

    τ² keeps the gradient's size comparable between temperatures (Hinton et al. 2015, section 2). Where teacher and
    student are softened by different temperatures it means τ_student·τ_teacher, as in DTKD (Wei & Bai 2024): a
    gradient through both softmaxes carries one factor 1/τ of each. With equal temperatures that is τ². A rule may name
    another factor.

    Args:
        student_logits: [B, K].
        teacher_logits: [B, K]; no gradient should flow into it.
        tau_student: 0-dim, [B, 1] or [B, K], on the logits' device.
        tau_teacher: 0-dim, [B, 1] or [B, K], on the logits' device.
        factor: 0-dim or [B, 1], in place of τ_student·τ_teacher.
        reduction: Whether the sum over [B, K] is divided by B or by B·K.
        tau_squared: Whether the factor is applied.

    Returns:
        0-dim; float32, or float64 for float64 logits.

    >>> import math, torch
    >>> student, teacher, tau = torch.zeros(1, 2), torch.tensor([[math.log(3), 0.0]]), torch.tensor(1.0)
    >>> round(float(softened_kl(student, teacher, tau, tau)), 4)  # log 2 less the entropy of (¾, ¼)
    0.1308
    """
    log_teacher = F.log_softmax(full_precision(teacher_logits) / tau_teacher, dim=-1)
    log_student = F.log_softmax(full_precision(student_logits) / tau_student, dim=-1)
    if not tau_squared:
        return kl_of_log_probabilities(log_student, log_teacher, reduction)

    factor = squared_tau(tau_student, tau_teacher, log_student) if factor is None else factor
    if factor.dim() > 0:
        return kl_of_log_probabilities(log_student, log_teacher, reduction, factor)
    return kl_of_log_probabilities(log_student, log_teacher, reduction) * factor
