"""Deep mutual learning: two untrained peers teach each other, with temperature."""

from torch import Tensor, nn

from greenkd.objectives.base import NO_MATRIX_PRODUCTS, LossFlops, LossInputs, Objective, Setup
from greenkd.objectives.divergence import Reduction, Weight, cross_entropy, softened_kl
from greenkd.softening import Softening


class DML(Objective):
    """CE(z) + w·τ²·KL(p̃ ‖ p) + CE(z̃) + w·τ²·KL(p ‖ p̃), with p = softmax(z/τ) of the student, p̃ of its peer.

    The peer is a second network of the student's architecture with initial weights of its own. It sees the same
    images, is trained by the same optimiser in the same step, and is thrown away at the end; what it costs is part of
    the student's training. Each network's prediction is a constant where it serves as the other's target, softened by
    τ_teacher; the learner's is softened by τ_student. Mean over the batch.

    The source has no temperature (τ = 1) and lets the two networks step in turn, the second seeing the first's
    updated prediction; here both step at once, as most reimplementations do.

    Args:
        kl_weight: Weight w of the two divergences; 1 in the source.
        reduction: `batchmean`, as the source, or `element_mean`, which divides by the number of classes as well.

    Attributes:
        peer: The second network, after `setup`.
        peer_logits: The peer's logits [B, K] for the last batch, detached: its training accuracy for who wants it.

    Source: Zhang et al., "Deep Mutual Learning", CVPR 2018.
    """

    uses_temperature = True
    refuses_rules = None
    peer: nn.Module
    peer_logits: Tensor

    def __init__(self, *, kl_weight: Weight = 1.0, reduction: Reduction = "batchmean") -> None:
        super().__init__()
        self.kl_weight = kl_weight
        self.reduction: Reduction = reduction

    def setup(self, setup: Setup) -> None:
        """Builds the peer."""
        self.peer = setup.build_peer()

    def networks(self) -> list[nn.Module]:
        """Returns the peer: it runs on every image as the student does, and its FLOPs count like the student's."""
        return [self.peer]

    def flops(self) -> LossFlops:
        """States none: the peer is one of `networks`, and the loss has no matrix product."""
        return NO_MATRIX_PRODUCTS

    def forward(self, batch: LossInputs) -> Tensor:
        """Returns the sum of both networks' losses, 0-dim."""
        peer_logits: Tensor = self.peer(batch.images)
        self.peer_logits = peer_logits.detach()

        softening = self.soften(batch, teacher_logits=self.peer_logits)
        student_loss = self._loss(batch, batch.student_logits, self.peer_logits, softening)

        student_target = batch.student_logits.detach()
        softening = self.soften_peer(batch, peer_logits, student_target)
        return student_loss + self._loss(batch, peer_logits, student_target, softening)

    def _loss(self, batch: LossInputs, learner: Tensor, target: Tensor, softening: Softening) -> Tensor:
        """Returns CE(learner) + w·τ²·KL(target ‖ learner), both logits [B, K]; 0-dim."""
        divergence = softened_kl(learner, target, *softening, reduction=self.reduction)
        return cross_entropy(learner, batch.labels) + self.kl_weight * divergence
