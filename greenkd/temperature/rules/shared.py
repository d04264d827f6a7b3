"""The rule of plain distillation: one τ for the whole batch."""

from greenkd.softening import RuleInputs, Softening, squared_tau
from greenkd.temperature.rules.base import Rule


class Shared(Rule):
    """τ as the schedule gives it, for every sample, with the factor τ² (τ_student·τ_teacher).

    Source: Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015.
    """

    def forward(self, inputs: RuleInputs) -> Softening:
        """Returns the base temperatures as they are."""
        taus = inputs.tau_student, inputs.tau_teacher
        return Softening(*taus, squared_tau(*taus, inputs.student_logits))
