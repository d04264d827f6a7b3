"""Classification: one of K classes per image, scored by accuracy and cross-entropy."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from greenkd.data import Dataset, Images, normalise, stratified_split
from greenkd.tasks.base import Evaluator, Metric, Precision, Score, Task

# Large enough that per-batch overhead vanishes, small enough for the activations of a wide net at 64×64.
EVALUATION_BATCH = 500


class ClassificationEvaluator(Evaluator):
    """Accuracy (the share of images whose largest logit is the label's) and mean cross-entropy in nats.

    Args:
        images: The split; nothing in it is augmented.
        mean: Per-channel mean of the normalisation.
        std: Per-channel standard deviation.
        device: Where the networks lie.
    """

    def __init__(self, images: Images, mean: Sequence[float], std: Sequence[float], device: torch.device) -> None:
        self._images = images.to(device)
        self._mean, self._std = tuple(mean), tuple(std)
        self._device = device

    def __len__(self) -> int:
        return len(self._images)

    @torch.inference_mode()
    def __call__(self, network: nn.Module, precision: Precision) -> Score:
        """Runs the network in evaluation mode over the split; leaves it in that mode."""
        network.eval()
        hits = torch.zeros((), dtype=torch.int64, device=self._device)
        loss = torch.zeros((), dtype=torch.float64, device=self._device)

        for start in range(0, len(self._images), EVALUATION_BATCH):
            rows = slice(start, start + EVALUATION_BATCH)
            labels = self._images.labels[rows]
            images = normalise(self._images.images[rows], self._mean, self._std)
            with precision.autocast(self._device):
                logits: Tensor = network(images.contiguous(memory_format=torch.channels_last))
            hits += CLASSIFICATION.count_hits(logits, labels)
            loss += F.cross_entropy(logits.float(), labels, reduction="sum")

        return Score(hits.item() / len(self._images), loss.item() / len(self._images))


class Classification(Task):
    """Networks return logits [B, K]; targets are class numbers, int64 [B]."""

    name = "classification"
    metric = Metric("accuracy", unit="%", scale=100.0)

    def split(self, images: Images, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
        """Takes the same share of every class into the validation part."""
        return stratified_split(images.labels, fraction, seed)

    def output_shape(self, dataset: Dataset) -> tuple[int, ...]:
        """Returns [K]: a logit per class."""
        return (dataset.num_classes,)

    def evaluator(
        self, images: Images, mean: Sequence[float], std: Sequence[float], device: torch.device
    ) -> ClassificationEvaluator:
        """Returns what measures accuracy and cross-entropy on a split."""
        return ClassificationEvaluator(images, mean, std, device)

    def count_hits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Counts images whose largest logit is the label's."""
        return (outputs.argmax(1) == targets).sum()


CLASSIFICATION = Classification()
