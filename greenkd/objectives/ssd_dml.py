"""Deep mutual learning of detectors: two untrained peers teach each other the classes of their anchors."""

from torch import Tensor, nn

from greenkd.objectives.anchor_softening import per_anchor, soft_terms
from greenkd.objectives.base import NO_MATRIX_PRODUCTS, LossFlops, LossInputs, Objective, Setup
from greenkd.objectives.divergence import Weight
from greenkd.objectives.multibox import (
    Negatives,
    choose_anchors,
    cross_entropies,
    localisation,
    predicted,
    true_offsets,
)
from greenkd.softening import Softening


class SSDDML(Objective):
    """The MultiBox loss of two networks, and w·τ²·KL(other ‖ own)/N for each, over the anchors that count for it.

    The peer is a second network of the student's architecture with initial weights of its own, as in `DML`: trained in
    the same steps, thrown away at the end, its cost a part of the student's training. Each network has hard negatives
    of its own, and its prediction is a constant where it serves as the other's target. Boxes are not compared.

    Args:
        kl_weight: Weight w of the two divergences.
        negatives: Hard negatives for each positive of an image.

    Attributes:
        peer: The second network, after `setup`.

    Sources: Zhang et al., "Deep Mutual Learning", CVPR 2018; the MultiBox loss of `SSD`.
    """

    task = "detection"
    uses_temperature = True
    refuses_rules = None
    peer: nn.Module

    def __init__(self, *, kl_weight: Weight = 1.0, negatives: Negatives = 3.0) -> None:
        super().__init__()
        self.kl_weight = kl_weight
        self.negatives = negatives

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
        outputs, peer_outputs = batch.student_logits, self.peer(batch.images)
        logits, peer_logits = predicted(outputs).logits, predicted(peer_outputs).logits
        target, peer_target = logits.detach(), peer_logits.detach()

        softening = self.soften(per_anchor(batch, logits, peer_target))
        student_loss = self._loss(batch, outputs, peer_target, softening)

        anchors = per_anchor(batch, peer_logits, target)
        softening = self.soften_peer(anchors, anchors.student_logits, target.flatten(0, 1))
        return student_loss + self._loss(batch, peer_outputs, target, softening)

    def _loss(self, batch: LossInputs, outputs: Tensor, target: Tensor, softening: Softening) -> Tensor:
        """Returns one network's loss, 0-dim.

        Args:
            batch: The step.
            outputs: The learner's, [B, A, K+1+4].
            target: Class logits of the other, [B, A, K+1].
            softening: Of the learner's anchors.
        """
        logits, offsets = predicted(outputs)
        entropies = cross_entropies(logits, batch.labels)
        positive, chosen = counted = choose_anchors(entropies, batch.labels, self.negatives)

        divergences = soft_terms(logits.flatten(0, 1), target.flatten(0, 1), softening, "kl").view_as(entropies)
        classes = ((entropies + self.kl_weight * divergences) * chosen).sum()
        return (classes + localisation(offsets, true_offsets(batch, offsets), positive)) / counted.number
