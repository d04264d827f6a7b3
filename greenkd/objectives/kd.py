"""Knowledge distillation with softened predictions (Hinton et al.)."""

from torch import Tensor

from greenkd.objectives.base import NO_MATRIX_PRODUCTS, LossFlops, LossInputs, Objective, present
from greenkd.objectives.divergence import Fraction, Reduction, Taus, add_up, cross_entropy, softened_kl


class KD(Objective):
    """(1−α)·CE + α·τ²·KL(softmax(t/τ) ‖ softmax(z/τ)), with logits z, t [B, K] of student and teacher.

    CE is a mean over the batch. KL is summed over the classes and averaged over the batch (`batchmean`), or averaged
    over both (`element_mean`), which makes its weight α·τ²/K. τ² is the τ of this very step: a schedule that draws τ
    per batch draws its factor with it. With different temperatures for the two networks, τ² means τ_student·τ_teacher.

    Args:
        alpha: Weight α of the distillation term, 0…1.
        reduction: `batchmean`, as the literature's reference code, or `element_mean`, as the code of Tf-KD and of
            Rafat et al. (PLOS ONE 18(5): e0285668), where α = 0.95.
        tau_squared: Whether the distillation term carries the factor τ².
        taus: Several τ, whose terms τ²·KL are added up; the schedule's τ is then without effect. None: its τ alone.

    Sources: Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2; for several τ
    Jin, Wang & Lin, "Multi-Level Logit Distillation", CVPR 2023, whose instance-level part adds up τ = 2 … 6.
    """

    teacher = "teacher"
    refuses_rules = None

    def __init__(
        self,
        *,
        alpha: Fraction = 0.9,
        reduction: Reduction = "batchmean",
        tau_squared: bool = True,
        taus: Taus = (),
    ) -> None:
        super().__init__()
        self.alpha = alpha
        self.reduction: Reduction = reduction
        self.tau_squared = tau_squared
        self.taus = taus or None
        self.uses_temperature = not taus

    def flops(self) -> LossFlops:
        """States none: there is no matrix product in the loss."""
        return NO_MATRIX_PRODUCTS

    def forward(self, batch: LossInputs) -> Tensor:
        """Returns the loss, 0-dim."""
        divergences = [
            softened_kl(
                batch.student_logits,
                present(batch.teacher_logits, "teacher_logits"),
                *softening,
                reduction=self.reduction,
                tau_squared=self.tau_squared,
            )
            for softening in self.soften_each(batch, self.taus)
        ]
        divergence = add_up(divergences)

        return (1 - self.alpha) * cross_entropy(batch.student_logits, batch.labels) + self.alpha * divergence
