"""What passes between objectives and rules: one batch of logits in, the temperatures that soften it out."""

from dataclasses import dataclass
from typing import NamedTuple

from torch import Tensor


@dataclass(frozen=True, slots=True)
class RuleInputs:
    """One batch as a rule sees it, with n samples (images, or anchors) and K classes; all tensors on one device.

    Attributes:
        student_logits: [n, K], at least float32, with gradient.
        teacher_logits: [n, K], at least float32, without gradient.
        labels: [n] int64.
        indices: [n] int64, the samples' positions in the training split.
        tau_student: The step's base τ for the student, 0-dim.
        tau_teacher: The step's base τ for the teacher, 0-dim.
        epoch: Zero-based epoch.
    """

    student_logits: Tensor
    teacher_logits: Tensor
    labels: Tensor
    indices: Tensor
    tau_student: Tensor
    tau_teacher: Tensor
    epoch: int


class Softening(NamedTuple):
    """What a batch's logits [n, K] are divided by, and what their divergence is multiplied with.

    Attributes:
        tau_student: 0-dim, [n, 1] or [n, K].
        tau_teacher: 0-dim, [n, 1] or [n, K].
        factor: 0-dim or [n, 1]; τ² in plain distillation.
    """

    tau_student: Tensor
    tau_teacher: Tensor
    factor: Tensor


def squared_tau(tau_student: Tensor, tau_teacher: Tensor, like: Tensor) -> Tensor:
    """Returns τ_student·τ_teacher in the precision of `like`: τ is float32, the loss may be float64."""
    return tau_student.to(like.dtype) * tau_teacher.to(like.dtype)
