"""τ learned against the student: curriculum temperature (CTKD)."""

import math
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from greenkd.softening import RuleInputs, Softening, squared_tau
from greenkd.temperature.rules.base import Rule

# The base τ is kept this share of the range away from its ends, where a sigmoid never arrives.
_EDGE = 1e-3


class Learned(Rule):
    """τ = start + span·σ(θ − 1 + logit((base − start)/span)), with one parameter θ, which is 1 at the beginning.

    So τ begins at the base τ and stays between start and start + span. At base = start + span·σ(1), 15.62 with the
    defaults, it is the source's τ = 1 + 20·σ(θ). The gradient of θ is reversed: the student descends the distillation
    loss, θ climbs it, and makes the task harder as the student learns. The reversed gradient is multiplied with λ,
    which rises as (1 − cos(π·e/E))/2 over the first E = `curriculum_epochs` epochs, e counted from 1, and stays 1.
    θ is trained by the student's optimiser, its weight decay included, as in the source. The factor is τ².

    A base τ outside of start … start + span counts as the nearest end, less a thousandth of the span.

    Args:
        start: Lower end of τ.
        span: Length of τ's range.
        curriculum_epochs: Epochs in which λ rises to its end; 10 in the source.
        strength: The λ at the end; 0 keeps τ where the base τ is.

    Source: Li et al., "Curriculum Temperature for Knowledge Distillation", AAAI 2023, and its code (the global τ).
    """

    def __init__(
        self,
        *,
        start: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0,
        span: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 20.0,
        curriculum_epochs: Annotated[int, Field(ge=0)] = 10,
        strength: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0,
    ) -> None:
        super().__init__()
        self.start = start
        self.span = span
        self.curriculum_epochs = curriculum_epochs
        self.strength = strength
        self.theta = nn.Parameter(torch.ones(()))

    def reversal(self, epoch: int) -> float:
        """Returns λ in a zero-based epoch."""
        if epoch + 1 >= self.curriculum_epochs:
            return self.strength
        return self.strength * (1 - math.cos(math.pi * (epoch + 1) / self.curriculum_epochs)) / 2

    def forward(self, inputs: RuleInputs) -> Softening:
        """Returns temperatures and factor, all 0-dim."""
        theta: Tensor = _Reversed.apply(self.theta, self.reversal(inputs.epoch))

        tau_student = self._tau(theta, inputs.tau_student)
        tau_teacher = self._tau(theta, inputs.tau_teacher)
        return Softening(tau_student, tau_teacher, squared_tau(tau_student, tau_teacher, inputs.student_logits))

    def _tau(self, theta: Tensor, base: Tensor) -> Tensor:
        place = ((base - self.start) / self.span).clamp(_EDGE, 1 - _EDGE)
        return self.start + self.span * torch.sigmoid(theta - 1 + torch.logit(place))


class _Reversed(torch.autograd.Function):
    """The identity, whose gradient is multiplied with −λ on its way back (Ganin & Lempitsky, ICML 2015)."""

    @staticmethod
    def forward(ctx: Any, value: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None
