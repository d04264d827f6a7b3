"""τ by the gap between the teacher's loss and the student's: a dynamic temperature scheduler (DTS)."""

import math
from typing import Annotated

import torch
from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from greenkd.softening import RuleInputs, Softening, squared_tau
from greenkd.temperature.rules.base import Rule, RuleSetup
from greenkd.temperature.schedules import Tau


class LossGap(Rule):
    """τ = clip(0.1 + τ₀·(0.3 + cos(0.65π·p))·(0.8 + ln(1 + g))·e^(−0.3p), low, high·e^(−0.3p)).

    τ₀ is the base τ, p = epoch/epochs the progress, and g a running mean of |CE(teacher) − CE(student)|, the
    cross-entropies of the two networks' logits with the labels: while the student is far behind, τ is large. g is a
    buffer; the first batch sets it, each later one moves it by 1 − momentum, before the batch is softened. No gradient
    flows into it. The factor is τ²; the source has none, which is `objective.tau_squared=false`.

    This is the early form of the authors' code, which keeps a short list of losses where this has a running mean. The
    code's last form computes the gap and does not use it.

    Args:
        low: Smallest τ.
        high: Largest τ at the beginning.
        momentum: Share of the running gap that is kept in a step.

    Source: "Dynamic Temperature Scheduler for Knowledge Distillation", arXiv 2511.13767, and its code (DTAD).
    """

    gap: Tensor
    begun: Tensor

    def __init__(self, *, low: Tau = 1.0, high: Tau = 8.0, momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9) -> None:
        super().__init__()
        if low >= high:
            raise ValueError(f"low={low:g} must be below high={high:g}")
        self.low = low
        self.high = high
        self.momentum = momentum
        self._epochs = 1
        self.register_buffer("gap", torch.zeros(()))
        self.register_buffer("begun", torch.zeros((), dtype=torch.bool))

    def setup(self, setup: RuleSetup) -> None:
        """Takes up the length of the training."""
        self._epochs = setup.epochs

    def observe(self, inputs: RuleInputs) -> None:
        """Moves the running gap."""
        with torch.no_grad():
            teacher = F.cross_entropy(inputs.teacher_logits, inputs.labels)
            student = F.cross_entropy(inputs.student_logits, inputs.labels)
            gap = (teacher - student).abs().to(self.gap.dtype)
            moved = self.momentum * self.gap + (1 - self.momentum) * gap
            self.gap = torch.where(self.begun, moved, gap)
            self.begun = torch.ones_like(self.begun)

    def forward(self, inputs: RuleInputs) -> Softening:
        """Returns temperatures and factor, all 0-dim."""
        tau_student, tau_teacher = (self._tau(base, inputs.epoch) for base in (inputs.tau_student, inputs.tau_teacher))
        return Softening(tau_student, tau_teacher, squared_tau(tau_student, tau_teacher, inputs.student_logits))

    def _tau(self, base: Tensor, epoch: int) -> Tensor:
        progress = epoch / self._epochs
        decay = math.exp(-0.3 * progress)
        scale = (0.3 + math.cos(0.65 * math.pi * progress)) * decay

        # A scale below 0, late in a training, ends at `low`, as every τ below it does.
        tau = 0.1 + base * scale * (0.8 + torch.log1p(self.gap))
        return tau.clamp(max=self.high * decay).clamp(min=self.low)
