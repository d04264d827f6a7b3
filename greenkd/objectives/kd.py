"""Knowledge distillation with softened predictions (Hinton et al.)."""

from torch import Tensor

from greenkd.objectives.base import LossInputs, Objective, present
from greenkd.objectives.divergence import Fraction, Reduction, cross_entropy, softened_kl


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

    Source: Hinton, Vinyals & Dean, "Distilling the Knowledge in a Neural Network", 2015, section 2.
    """

    teacher = "teacher"
    uses_temperature = True

    def __init__(self, *, alpha: Fraction = 0.9, reduction: Reduction = "batchmean", tau_squared: bool = True) -> None:
        super().__init__()
        self.alpha = alpha
        self.reduction: Reduction = reduction
        self.tau_squared = tau_squared

    def forward(self, batch: LossInputs) -> Tensor:
        """Returns the loss, 0-dim."""
        divergence = softened_kl(
            batch.student_logits,
            present(batch.teacher_logits, "teacher_logits"),
            batch.tau_student,
            batch.tau_teacher,
            reduction=self.reduction,
            tau_squared=self.tau_squared,
        )

        return (1 - self.alpha) * cross_entropy(batch.student_logits, batch.labels) + self.alpha * divergence
