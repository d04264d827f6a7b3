"""Small batches of anchors, and the terms of detection's losses worked out in NumPy's float64, anchor by anchor."""

from typing import Any

import numpy as np
import torch
from torch import nn

from greenkd.objectives import LossInputs, Objective, Setup
from tests.objectives.batches import array

IMAGES, ANCHORS, CLASSES = 3, 12, 4  # the background is one of the classes
OUTPUTS = CLASSES + 4
SAMPLES = 20


def make_anchor_batch(
    seed: int = 0, *, tau: float = 4.0, dtype: torch.dtype = torch.float64, **fields: Any
) -> LossInputs:
    """A batch whose first image has two anchors with a box, the second one, the third none."""
    generator = torch.Generator().manual_seed(0)

    def normal(*shape: int) -> torch.Tensor:
        return (2 * torch.randn(*shape, generator=generator, dtype=torch.float64)).to(dtype)

    labels = torch.zeros(IMAGES, ANCHORS, dtype=torch.int64)
    labels[0, 3], labels[0, 7], labels[1, 5] = 1, 3, 2
    offsets = normal(IMAGES, ANCHORS, 4) * (labels > 0).unsqueeze(-1)
    values: dict[str, Any] = {
        "images": normal(IMAGES, 1, 3, 3),
        "labels": labels,
        "indices": torch.randperm(SAMPLES, generator=generator)[:IMAGES],
        "student_logits": normal(IMAGES, ANCHORS, OUTPUTS).requires_grad_(),
        "teacher_logits": normal(IMAGES, ANCHORS, OUTPUTS),
        "student_features": None,
        "teacher_features": None,
        "tau_student": torch.tensor(tau),
        "tau_teacher": torch.tensor(tau),
        "epoch": 0,
        "offsets": offsets,
    }
    return LossInputs(**(values | fields))


def set_up(objective: Objective) -> Objective:
    """Sets an objective up with a peer that says something of every anchor."""

    def build_peer() -> nn.Module:
        peer = nn.Linear(9, ANCHORS * OUTPUTS)
        nn.init.normal_(peer.weight, generator=torch.Generator().manual_seed(1))
        return nn.Sequential(nn.Flatten(), peer, nn.Unflatten(1, (ANCHORS, OUTPUTS)))

    objective.setup(Setup(CLASSES, torch.zeros(SAMPLES, 2, dtype=torch.int64), None, None, build_peer, seed=0))
    return objective


def softmax(logits: np.ndarray, tau: float = 1.0) -> np.ndarray:
    powers = np.exp(logits / tau)
    return powers / powers.sum(axis=-1, keepdims=True)


class Expected:
    """The parts of a loss, each summed over a batch by loops.

    Args:
        outputs: What the learner says, [B, A, K+1+4].
        batch: Gives labels and true offsets.
        negatives: Hard negatives for each positive.
    """

    def __init__(self, outputs: np.ndarray, batch: LossInputs, negatives: int = 3) -> None:
        self.logits, self.offsets = outputs[..., :CLASSES], outputs[..., CLASSES:]
        self.labels, self.targets = batch.labels.numpy(), array(batch.offsets)  # type: ignore[arg-type]
        self.positive = [(b, a) for b, a in np.argwhere(self.labels > 0)]
        self.number = max(len(self.positive), 1)

        self.chosen = list(self.positive)
        for image in range(IMAGES):
            background = [a for a in range(ANCHORS) if self.labels[image, a] == 0]
            background.sort(key=lambda a, image=image: -self.entropy(image, a))
            wanted = negatives * sum(b == image for b, _ in self.positive)
            self.chosen += [(image, a) for a in background[:wanted]]

    def entropy(self, image: int, anchor: int) -> float:
        return -float(np.log(softmax(self.logits[image, anchor])[self.labels[image, anchor]]))

    def hard(self) -> float:
        return sum(self.entropy(b, a) for b, a in self.chosen)

    def regression(self) -> float:
        differences = np.abs([self.offsets[place] - self.targets[place] for place in self.positive])
        return float(np.where(differences < 1, differences**2 / 2, differences - 0.5).sum())

    def squared(self, offsets: np.ndarray) -> list[float]:
        return [float(((offsets[place] - self.targets[place]) ** 2).sum()) for place in self.positive]

    def divergence(self, teacher: np.ndarray, tau: float) -> float:
        total = 0.0
        for place in self.chosen:
            p, q = softmax(self.logits[place], tau), softmax(teacher[place], tau)
            total += float((q * np.log(q / p)).sum())
        return total
