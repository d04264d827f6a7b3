"""Accuracy and cross-entropy of a network on a whole split."""

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from greenkd.data import Images, normalise
from greenkd.training.recipe import Recipe

# Large enough that per-batch overhead vanishes, small enough for the activations of a wide net at 64×64.
EVALUATION_BATCH = 500


class Score(NamedTuple):
    """A network's result on a split."""

    value: float  # accuracy: fraction of samples whose largest logit is the label's
    loss: float  # mean cross-entropy in nats


class Evaluator:
    """Evaluates networks on one split, kept on the device.

    Args:
        images: The split; nothing in it is augmented.
        mean: Per-channel mean of the normalisation.
        std: Per-channel standard deviation.
        device: Where the networks lie.
    """

    def __init__(self, images: Images, mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> None:
        self._images = images.to(device)
        self._mean, self._std = mean, std
        self._device = device

    def __len__(self) -> int:
        return len(self._images)

    @torch.inference_mode()
    def __call__(self, network: nn.Module, recipe: Recipe) -> Score:
        """Runs the network in evaluation mode over the split; leaves it in that mode."""
        network.eval()
        correct = torch.zeros((), dtype=torch.int64, device=self._device)
        loss = torch.zeros((), dtype=torch.float64, device=self._device)
        for start in range(0, len(self._images), EVALUATION_BATCH):
            rows = slice(start, start + EVALUATION_BATCH)
            labels = self._images.labels[rows]
            images = normalise(self._images.images[rows], self._mean, self._std)
            with recipe.autocast(self._device):
                logits: Tensor = network(images.contiguous(memory_format=torch.channels_last))
            correct += (logits.argmax(1) == labels).sum()
            loss += F.cross_entropy(logits.float(), labels, reduction="sum")
        return Score(correct.item() / len(self._images), loss.item() / len(self._images))
