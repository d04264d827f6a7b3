"""τ divided between the two networks by their confidence: dynamic temperature distillation (DTKD)."""

from typing import Annotated

from pydantic import Field

from greenkd.softening import RuleInputs, Softening, squared_tau
from greenkd.temperature.rules.base import Rule

# What stands for a maximum that is not positive, so that no share becomes 0/0.
_SMALLEST = 1e-6


class Dynamic(Rule):
    """τ_student,i = 2τ·r_i and τ_teacher,i = 2τ·(1 − r_i), with r_i = max z_i / (max z_i + max t_i).

    The surer network of the two is softened more, so that both distributions are equally flat; the temperatures'
    mean stays τ. The factor is τ_student,i·τ_teacher,i. The source's denominator can vanish or turn negative, for
    nothing keeps the largest logit above 0; here maxima that are not positive count as 10⁻⁶, and r_i is kept between
    `margin` and 1 − `margin`. Elsewhere the formula is the source's.

    The source adds plain distillation at τ to it, α·(this) + β·τ²·KL + CE, and a warm-up of 20 epochs.

    Args:
        margin: Smallest share of 2τ that a network may get; 0.05 keeps temperatures within 0.1·τ … 1.9·τ.

    Source: Wei & Bai, "Dynamic Temperature Knowledge Distillation", arXiv 2404.12711, and its code.
    """

    def __init__(self, *, margin: Annotated[float, Field(gt=0, lt=0.5)] = 0.05) -> None:
        super().__init__()
        self.margin = margin

    def forward(self, inputs: RuleInputs) -> Softening:
        """Returns temperatures and factor, all [n, 1]."""
        student = inputs.student_logits.amax(dim=-1, keepdim=True).clamp(min=_SMALLEST)
        teacher = inputs.teacher_logits.amax(dim=-1, keepdim=True).clamp(min=_SMALLEST)
        share = (student / (student + teacher)).clamp(self.margin, 1 - self.margin)

        tau_student = 2 * inputs.tau_student * share
        tau_teacher = 2 * inputs.tau_teacher * (1 - share)
        return Softening(tau_student, tau_teacher, squared_tau(tau_student, tau_teacher, inputs.student_logits))
