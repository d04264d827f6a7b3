"""Kullback-Leibler divergence between softened predictions: the term that the temperature acts on."""

from typing import Annotated, Literal

from pydantic import Field
from torch import Tensor, float32, float64
from torch.nn import functional as F

Fraction = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]

Reduction = Literal["batchmean", "element_mean"]
"""How [B, K] terms become one number: their sum divided by B, or by B·K (PyTorch's default "mean")."""


def full_precision(values: Tensor) -> Tensor:
    """Returns float32 for tensors of lower precision; float32 and float64 are returned as they are."""
    return values if values.dtype in (float32, float64) else values.float()


def cross_entropy(logits: Tensor, labels: Tensor, smoothing: float = 0.0) -> Tensor:
    """Returns the cross-entropy of logits [B, K] with labels [B], mean over the batch, 0-dim, in at least float32.

    Args:
        logits: [B, K].
        labels: int64 [B].
        smoothing: PyTorch's label smoothing: the weight that is spread over all K classes, the label included.
    """
    return F.cross_entropy(full_precision(logits), labels, label_smoothing=smoothing)


def kl_of_log_probabilities(log_student: Tensor, log_teacher: Tensor, reduction: Reduction) -> Tensor:
    """Returns KL(teacher ‖ student) of two tensors [B, K] of log-probabilities, 0-dim."""
    # PyTorch's own "mean" is announced to become "batchmean", so the division by K is ours.
    divergence = F.kl_div(log_student, log_teacher, reduction="batchmean", log_target=True)
    return divergence if reduction == "batchmean" else divergence / log_student.shape[1]


def softened_kl(
    student_logits: Tensor,
    teacher_logits: Tensor,
    tau_student: Tensor,
    tau_teacher: Tensor,
    *,
    reduction: Reduction = "batchmean",
    tau_squared: bool = True,
) -> Tensor:
    """Softens both predictions and compares them: τ²·KL(softmax(teacher/τ_teacher) ‖ softmax(student/τ_student)).

    τ² keeps the gradient's size comparable between temperatures (Hinton et al. 2015, section 2). Where teacher and
    student are softened by different temperatures it means τ_student·τ_teacher, as in DTKD (Wei & Bai 2024): a
    gradient through both softmaxes carries one factor 1/τ of each. With equal temperatures that is τ².

    Args:
        student_logits: [B, K].
        teacher_logits: [B, K]; no gradient should flow into it.
        tau_student: 0-dim, on the logits' device.
        tau_teacher: 0-dim, on the logits' device.
        reduction: Whether the sum over [B, K] is divided by B or by B·K.
        tau_squared: Whether the factor τ² is applied.

    Returns:
        0-dim; float32, or float64 for float64 logits.
    """
    log_teacher = F.log_softmax(full_precision(teacher_logits) / tau_teacher, dim=1)
    log_student = F.log_softmax(full_precision(student_logits) / tau_student, dim=1)

    divergence = kl_of_log_probabilities(log_student, log_teacher, reduction)
    return divergence * (tau_student * tau_teacher) if tau_squared else divergence
