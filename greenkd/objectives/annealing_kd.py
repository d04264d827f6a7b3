"""Annealing knowledge distillation: first the teacher's logits, scaled up as τ falls, then the labels."""

from typing import Annotated

from pydantic import Field
from torch import Tensor
from torch.nn import functional as F

from greenkd.objectives.base import NO_MATRIX_PRODUCTS, LossFlops, LossInputs, Objective, Setup, present
from greenkd.objectives.divergence import Reduction, cross_entropy, full_precision


class AnnealingKD(Objective):
    """Φ(τ)-scaled logit matching in the first epochs, cross-entropy in the last ones.

    First phase: (z − Φ(τ)·t)² with Φ(τ) = 1 − (τ − 1)/τ_max, logits z, t [B, K]. Second phase: CE. τ is the teacher's,
    kept between 1 and τ_max, and is meant to fall from τ_max to 1 in the first phase, by a schedule of steps over
    the same share of the training: the student first matches 1/τ_max of the logits, at last all of them.

    Args:
        max_tau: τ_max, at least 1; the schedule's `start`.
        first_phase: Share of the epochs that the first phase takes; the schedule's `over`.
        reduction: Of the squares: their mean over batch and classes (`element_mean`, PyTorch's), or their sum over the
            classes and mean over the batch (`batchmean`).

    Source: Jafari et al., "Annealing Knowledge Distillation", EACL 2021, equations 4 to 6.
    """

    teacher = "teacher"
    uses_temperature = True
    refuses_rules = "its τ scales the teacher's logits, and softens no prediction"

    def __init__(
        self,
        *,
        max_tau: Annotated[float, Field(ge=1, allow_inf_nan=False)] = 10.0,
        first_phase: Annotated[float, Field(ge=0, le=1)] = 0.8,
        reduction: Reduction = "element_mean",
    ) -> None:
        super().__init__()
        self.max_tau = max_tau
        self.first_phase = first_phase
        self.reduction: Reduction = reduction
        self._matching_epochs = 1

    def setup(self, setup: Setup) -> None:
        """Divides the training's epochs between the phases."""
        self._matching_epochs = round(self.first_phase * setup.epochs)

    def flops(self) -> LossFlops:
        """States none: there is no matrix product in the loss."""
        return NO_MATRIX_PRODUCTS

    def forward(self, batch: LossInputs) -> Tensor:
        """Returns the loss, 0-dim."""
        teacher_logits = full_precision(present(batch.teacher_logits, "teacher_logits"))
        if batch.epoch >= self._matching_epochs:
            return cross_entropy(batch.student_logits, batch.labels)

        tau = batch.tau_teacher.to(teacher_logits.dtype).clamp(1, self.max_tau)
        scale = 1 - (tau - 1) / self.max_tau
        loss = F.mse_loss(full_precision(batch.student_logits), scale * teacher_logits)
        return loss if self.reduction == "element_mean" else loss * teacher_logits.shape[-1]
