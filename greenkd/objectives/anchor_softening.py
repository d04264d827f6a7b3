"""Softened class predictions of anchors: what a student's differ from a teacher's by, anchor by anchor."""

import dataclasses
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from greenkd.objectives.base import LossInputs
from greenkd.objectives.multibox import log_probabilities
from greenkd.objectives.teacher_anchors import at_anchors
from greenkd.softening import Softening

SoftForm = Literal["weighted_ce", "kl", "sigmoid"]
"""How softened predictions of K+1 classes are compared; `soft_terms` has the formulae."""


def per_anchor(batch: LossInputs, student: Tensor, teacher: Tensor, numbers: Tensor | None = None) -> LossInputs:
    """Returns a batch whose samples are anchors of all images: what a rule is asked about.

    Args:
        batch: The step.
        student: Class logits [B, A, K+1].
        teacher: Class logits [B, A, K+1].
        numbers: int64 [B, k], where the logits are those of k of the anchors.

    Returns:
        The batch with logits [B·A, K+1] and labels [B·A]; every anchor of the training split has an index of its own.
    """
    anchors = batch.labels.shape[1]
    if numbers is None:
        numbers, labels = torch.arange(anchors, device=batch.indices.device), batch.labels
    else:
        labels = at_anchors(batch.labels, numbers)
    return dataclasses.replace(
        batch,
        labels=labels.flatten(),
        indices=(batch.indices[:, None] * anchors + numbers).flatten(),
        student_logits=student.flatten(0, 1),
        teacher_logits=teacher.flatten(0, 1),
    )


def soft_terms(
    student: Tensor,
    teacher: Tensor,
    softening: Softening,
    form: SoftForm,
    *,
    background_weight: float = 1.0,
    tau_squared: bool = True,
) -> Tensor:
    """Compares softened predictions p = softmax(z/τ) with q = softmax(t/τ).

    `weighted_ce`: −Σ_k w_k·q_k·log p_k, with w the background's weight and 1. `kl`: Σ_k q_k·log(q_k/p_k). `sigmoid`: no
    temperature; Σ_k |σ(t_k) − σ(z_k)|·BCE(σ(z_k), σ(t_k)), as Yang et al., "Bridging Cross-task Protocol Inconsistency
    for Distillation in Dense Object Detection", ICCV 2023, whose weight carries no gradient.

    Args:
        student: Class logits z [n, K+1].
        teacher: Class logits t [n, K+1], without gradient.
        softening: Of the n anchors.
        form: Which of these.
        background_weight: The background's, in `weighted_ce`.
        tau_squared: Whether the softening's factor is applied.

    Returns:
        [n].
    """
    if form == "sigmoid":
        target = torch.sigmoid(teacher)
        weight = (target - torch.sigmoid(student.detach())).abs()
        return F.binary_cross_entropy_with_logits(student, target, weight, reduction="none").sum(dim=-1)

    log_p = log_probabilities(student / softening.tau_student)
    log_q = log_probabilities(teacher / softening.tau_teacher)
    if form == "kl":
        terms = F.kl_div(log_p, log_q, reduction="none", log_target=True).sum(dim=-1)
    else:
        weights = torch.ones_like(log_q[0])
        weights[0] = background_weight
        terms = -(weights * log_q.exp() * log_p).sum(dim=-1)

    factor = softening.factor
    return terms * (factor.squeeze(-1) if factor.dim() > 1 else factor) if tau_squared else terms
