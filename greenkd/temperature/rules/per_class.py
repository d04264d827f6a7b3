"""A teacher softened class by class: asymmetric temperature scaling (ATS)."""

from typing import Annotated

from pydantic import Field

from greenkd.softening import RuleInputs, Softening, squared_tau
from greenkd.temperature.rules.base import Rule


class PerClass(Rule):
    """The teacher's logit of the label is divided by τ, its other logits by `others`·τ; the student's all by τ.

    A large teacher is so sure of the label that its other classes are hardly told apart. A larger τ for the label
    than for the rest takes the sureness away and leaves their differences. The factor is τ². The two temperatures of
    the source, τ₁ > τ₂, are τ and `others`·τ; its values per pair of networks were not to be had, so 0.5 is ours.

    Args:
        others: τ₂/τ₁, above 0 and at most 1; 1 is `shared`.

    Source: Li et al., "Asymmetric Temperature Scaling Makes Larger Networks Teach Well Again", NeurIPS 2022.
    """

    def __init__(self, *, others: Annotated[float, Field(gt=0, le=1)] = 0.5) -> None:
        super().__init__()
        self.others = others

    def forward(self, inputs: RuleInputs) -> Softening:
        """Returns the student's τ and the factor 0-dim, the teacher's τ [n, K]."""
        base = inputs.tau_teacher
        label = inputs.labels[:, None]
        others = (self.others * base).expand(inputs.teacher_logits.shape)
        tau_teacher = others.scatter(1, label, base.expand(label.shape))
        factor = squared_tau(inputs.tau_student, base, inputs.student_logits)
        return Softening(inputs.tau_student, tau_teacher, factor)
