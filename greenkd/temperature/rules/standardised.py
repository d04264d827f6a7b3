"""τ in units of each sample's spread of logits: logit standardisation (LSKD) and NormKD."""

from typing import Literal

import torch

from greenkd.softening import RuleInputs, Softening, squared_tau
from greenkd.temperature.rules.base import Rule
from greenkd.temperature.schedules import Tau

# Of a row of equal logits, which has no spread; the source adds the same.
_EPSILON = 1e-7


class Standardised(Rule):
    """τ_student,i = τ·sd(z_i) and τ_teacher,i = τ·sd(t_i), with the sample's logits z_i, t_i [K] of both networks.

    Softmax ignores a constant, so dividing by τ·sd is softening z-scores by τ: the student need not match the
    teacher's scale of logits. The standard deviation is that of a sample (divisor K − 1), as in the source, and the
    gradient flows through it. LSKD multiplies the divergence with the base τ², NormKD with the sample's own
    τ_teacher,i².

    Args:
        base: The base τ, in place of the strategy's; None takes the strategy's.
        factor: `base` for τ² as in LSKD, `teacher` for τ_teacher,i² as in NormKD.

    Source: Sun et al., "Logit Standardization in Knowledge Distillation", CVPR 2024, and its code; Chi et al.,
    "NormKD: Normalized Logits for Knowledge Distillation", arXiv 2308.00520.
    """

    def __init__(self, *, base: Tau | None = None, factor: Literal["base", "teacher"] = "base") -> None:
        super().__init__()
        self.base = base
        self.factor = factor
        self.ignores_base_tau = base is not None

    def forward(self, inputs: RuleInputs) -> Softening:
        """Returns temperatures [n, 1]; the factor is 0-dim, or [n, 1] with `factor=teacher`."""
        base_student, base_teacher = inputs.tau_student, inputs.tau_teacher
        if self.base is not None:
            base_student = base_teacher = torch.full_like(base_student, self.base)

        tau_student = base_student * (inputs.student_logits.std(dim=-1, keepdim=True) + _EPSILON)
        tau_teacher = base_teacher * (inputs.teacher_logits.std(dim=-1, keepdim=True) + _EPSILON)

        squared = (base_student, base_teacher) if self.factor == "base" else (tau_teacher, tau_teacher)
        return Softening(tau_student, tau_teacher, squared_tau(*squared, inputs.student_logits))
