"""Classification: one of K classes per image, scored by accuracy and cross-entropy."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from greenkd.data import AnyDataset, Augmentation, Images, Views, normalise, stratified_split
from greenkd.objectives import CrossEntropy
from greenkd.records import DataRecord
from greenkd.tasks.base import DetailedScore, Evaluator, Metric, Precision, Score, Targets, Task

# Large enough that per-batch overhead vanishes, small enough for the activations of a wide net at 64×64.
EVALUATION_BATCH = 500

# Bins of the calibration error; the number that Guo et al. (2017) and most after them use.
CALIBRATION_BINS = 15


class ClassificationEvaluator(Evaluator):
    """Accuracy (the share of images whose largest logit is the label's) and mean cross-entropy in nats.

    The calibration error is the expected calibration error of Guo et al. (On calibration of modern neural networks,
    ICML 2017, equation 3): images are sorted by confidence, the largest softmax probability at τ = 1, into 15 bins of
    equal width, ((m - 1)/15, m/15]; it is the mean over the images of |accuracy - mean confidence| in their bins.

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
        self.batch_size = EVALUATION_BATCH

    def __len__(self) -> int:
        return len(self._images)

    @torch.inference_mode()
    def __call__(self, network: nn.Module, precision: Precision) -> Score:
        """Runs the network in evaluation mode over the split; leaves it in that mode."""
        hits = torch.zeros((), dtype=torch.int64, device=self._device)
        loss = torch.zeros((), dtype=torch.float64, device=self._device)
        for logits, labels in self._logits(network, precision):
            hits += CLASSIFICATION.count_hits(logits, labels)
            loss += F.cross_entropy(logits, labels, reduction="sum")

        return Score(hits.item() / len(self._images), loss.item() / len(self._images))

    @torch.inference_mode()
    def examine(self, network: nn.Module, precision: Precision) -> DetailedScore:
        """Runs the network once as a call does, and returns calibration error and every image's correctness as well."""
        loss = torch.zeros((), dtype=torch.float64, device=self._device)
        correct: list[Tensor] = []
        confidence: list[Tensor] = []
        for logits, labels in self._logits(network, precision):
            loss += F.cross_entropy(logits, labels, reduction="sum")
            correct.append(logits.argmax(1) == labels)
            confidence.append(logits.softmax(1).amax(1))

        images, right = len(self._images), torch.cat(correct)
        return DetailedScore(
            value=int(right.sum()) / images,
            loss=loss.item() / images,
            calibration_error=calibration_error(torch.cat(confidence), right),
            correct=right.cpu(),
        )

    def _logits(self, network: nn.Module, precision: Precision) -> Iterator[tuple[Tensor, Tensor]]:
        """Yields the logits of every batch in float32, [B, K], and its labels."""
        network.eval()
        for start in range(0, len(self._images), EVALUATION_BATCH):
            rows = slice(start, start + EVALUATION_BATCH)
            labels = self._images.labels[rows]
            images = normalise(self._images.images[rows], self._mean, self._std)
            with precision.autocast(self._device):
                logits: Tensor = network(images.contiguous(memory_format=torch.channels_last))
            yield logits.float(), labels


def calibration_error(confidence: Tensor, correct: Tensor) -> float:
    """Returns the expected calibration error, in [0, 1]; `ClassificationEvaluator` defines it.

    Args:
        confidence: The largest softmax probability of every image, [N].
        correct: Whether its class is the label's, [N] bool.
    """
    sure = confidence.double()
    bins = (sure * CALIBRATION_BINS).ceil().long().clamp(1, CALIBRATION_BINS) - 1

    # |accuracy - confidence| of a bin, times the number of its images, is the absolute sum of their differences.
    differences = torch.zeros(CALIBRATION_BINS, dtype=torch.float64, device=sure.device)
    differences.index_add_(0, bins, correct.double() - sure)
    return float(differences.abs().sum() / len(sure))


class Classification(Task[Images, Augmentation]):
    """Networks return logits [B, K]; targets are class numbers, int64 [B]."""

    name = "classification"
    metric = Metric("accuracy", unit="%", scale=100.0)
    has_hits = True
    outputs = "logits"
    supplied = "`num_classes` as an argument, which is supplied"

    def split(self, images: Images, fraction: float, seed: int) -> tuple[Tensor, Tensor]:
        """Takes the same share of every class into the validation part."""
        return stratified_split(images.labels, fraction, seed)

    def given(self, dataset: AnyDataset | DataRecord) -> dict[str, object]:
        """Returns the number of classes and channels, and the images' size."""
        return {
            "num_classes": dataset.num_classes,
            "in_channels": dataset.in_channels,
            "image_size": dataset.image_size,
        }

    def num_labels(self, dataset: AnyDataset) -> int:
        """Returns K."""
        return dataset.num_classes

    def output_shape(self, dataset: AnyDataset) -> tuple[int, ...]:
        """Returns [K]: a logit per class."""
        return (dataset.num_classes,)

    def supervised(self) -> CrossEntropy:
        """Returns the cross-entropy."""
        return CrossEntropy()

    def draw_views(self, images: Images, augmentation: Augmentation, seed: int, epoch: int) -> Views:
        """Draws crops, flips and rotations."""
        return augmentation.draw(len(images), seed, epoch)

    def present(
        self, images: Images, augmentation: Augmentation, views: Views, indices: Tensor
    ) -> tuple[Tensor, Targets]:
        """Returns the augmented images of one batch, and their labels."""
        return augmentation.apply(images.images, views, indices), Targets(images.labels[indices])

    def evaluator(
        self, images: Images, mean: Sequence[float], std: Sequence[float], device: torch.device
    ) -> ClassificationEvaluator:
        """Returns what measures accuracy and cross-entropy on a split."""
        return ClassificationEvaluator(images, mean, std, device)

    def count_hits(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """Counts images whose largest logit is the label's."""
        return (outputs.argmax(1) == targets).sum()


CLASSIFICATION = Classification()
