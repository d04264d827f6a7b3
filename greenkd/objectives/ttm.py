"""Transformed teacher matching: the teacher alone is softened."""

from torch import Tensor
from torch.nn import functional as F

from greenkd.objectives.base import NO_MATRIX_PRODUCTS, LossFlops, LossInputs, Objective, present
from greenkd.objectives.divergence import Weight, cross_entropy, full_precision, kl_of_log_probabilities


class TTM(Objective):
    """CE + β·KL(softmax(γ·t) ‖ softmax(z)), γ = 1/τ_teacher, mean over the batch; logits z, t [B, K].

    softmax(γ·t) is the teacher's prediction p raised to the power γ and renormalised. The student is compared at
    τ = 1, so that its own sharpness counts; there is no factor τ². Weighted (WTTM), each sample's divergence is
    multiplied with Σ_k p_k^γ, the sum of the powers before they are renormalised: 1 where the teacher is sure, and the
    larger the less sure it is.

    Args:
        kl_weight: Weight β.
        weighted: Whether samples are weighted, as WTTM does.

    Source: Zheng & Yang, "Knowledge Distillation Based on Transformed Teacher Matching", ICLR 2024, and its code.
    """

    teacher = "teacher"
    uses_temperature = True
    refuses_rules = "it softens the teacher alone, and a rule is about both networks"

    def __init__(self, *, kl_weight: Weight = 45.0, weighted: bool = False) -> None:
        super().__init__()
        self.kl_weight = kl_weight
        self.weighted = weighted

    def flops(self) -> LossFlops:
        """States none: there is no matrix product in the loss."""
        return NO_MATRIX_PRODUCTS

    def forward(self, batch: LossInputs) -> Tensor:
        """Returns the loss, 0-dim."""
        teacher_logits = full_precision(present(batch.teacher_logits, "teacher_logits"))
        log_teacher = F.log_softmax(teacher_logits / batch.tau_teacher, dim=-1)
        log_student = F.log_softmax(full_precision(batch.student_logits), dim=-1)

        weight = None
        if self.weighted:
            log_powers = F.log_softmax(teacher_logits, dim=-1) / batch.tau_teacher
            weight = log_powers.logsumexp(-1, keepdim=True).exp()

        divergence = kl_of_log_probabilities(log_student, log_teacher, "batchmean", weight)
        return cross_entropy(batch.student_logits, batch.labels) + self.kl_weight * divergence
