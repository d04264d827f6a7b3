"""Scores detectors on a split: mean average precision of PASCAL VOC, and the MultiBox loss."""

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from greenkd.anchors import AnchorGrid
from greenkd.data import DetectionImages, normalise
from greenkd.data.detection import PADDING
from greenkd.data.detection_augmentation import resize
from greenkd.objectives import SSD
from greenkd.records.examples import Examples
from greenkd.tasks.base import DetailedScore, Evaluator, Precision, Score, Targets
from greenkd.tasks.detection.average_precision import AveragePrecision, TrueBoxes, average_precision, mean_over_classes
from greenkd.tasks.detection.examples import PICTURES, make_examples
from greenkd.tasks.detection.matching import Matcher
from greenkd.tasks.detection.post_processing import Detections, detect, join

# So many pixels go through a network together, 22 pictures of 300×300.
_PIXELS = 2_000_000
_MOST_IMAGES = 500


class DetectionEvaluator(Evaluator):
    """Mean average precision over the classes, at 11 points and an IoU of 0.5, and the MultiBox loss for each box.

    The loss is that of `SSD`, its sum over the split divided by the number of anchors that have a box. Boxes that are
    marked as difficult count in neither. A closer look says the average precision of each class as well, and the mean
    of its other form.

    Args:
        images: The split; nothing in it is augmented. Pictures are resized to the anchors' image size.
        anchors: Of the data set.
        class_names: Of the data set.
        mean: Per-channel mean of the normalisation.
        std: Per-channel standard deviation.
        device: Where the networks lie.
    """

    def __init__(
        self,
        images: DetectionImages,
        anchors: AnchorGrid,
        class_names: Sequence[str],
        mean: Sequence[float],
        std: Sequence[float],
        device: torch.device,
    ) -> None:
        self._truth = TrueBoxes(images.boxes / images.size, images.labels, images.difficult)
        self._images = images.to(device)
        self._anchors = anchors
        self._centres = anchors.boxes.to(device)
        self._matcher = Matcher(anchors, device)
        self._class_names = tuple(class_names)
        self._mean, self._std = tuple(mean), tuple(std)
        self._device = device
        self.batch_size = max(1, min(_MOST_IMAGES, _PIXELS // anchors.image_size**2))

    def __len__(self) -> int:
        return len(self._images)

    @torch.inference_mode()
    def __call__(self, network: nn.Module, precision: Precision) -> Score:
        """Runs the network in evaluation mode over the split; leaves it in that mode."""
        precisions, loss = self._score(network, precision)
        return Score(mean_over_classes(precisions.eleven_points), loss)

    @torch.inference_mode()
    def examine(self, network: nn.Module, precision: Precision) -> DetailedScore:
        """Runs the network once as a call does, and returns other forms of the average precision as well."""
        precisions, loss = self._score(network, precision)
        by_class = dict(zip(self._class_names, precisions.eleven_points.tolist(), strict=True))
        details = {"mAP by area": mean_over_classes(precisions.area)}
        details |= {f"AP {name}": value for name, value in by_class.items() if not math.isnan(value)}
        return DetailedScore(mean_over_classes(precisions.eleven_points), loss, details=details)

    @torch.inference_mode()
    def use(self, network: nn.Module, precision: Precision) -> None:
        """Finds the things in all pictures: forward passes, decoding and non-maximum suppression, no scoring."""
        for _, outputs in self._outputs(network, precision):
            detect(outputs, self._centres)

    @torch.inference_mode()
    def examples(self, networks: Mapping[str, nn.Module], precision: Precision) -> Examples:
        """Returns what the networks find in the first pictures of the split."""
        found = {}
        for name, network in networks.items():
            network.eval()
            outputs = self._run(network, precision, slice(0, PICTURES))
            found[name] = detect(outputs, self._centres).cpu()
        pictures = self._images.subset(torch.arange(min(PICTURES, len(self)), device=self._device))
        return make_examples(pictures, self._class_names, found)

    def _score(self, network: nn.Module, precision: Precision) -> tuple[AveragePrecision, float]:
        objective = SSD()
        total = torch.zeros((), dtype=torch.float64, device=self._device)
        positives = torch.zeros((), dtype=torch.int64, device=self._device)

        found: list[Detections] = []
        sizes: list[int] = []
        for rows, outputs in self._outputs(network, precision):
            labels, offsets = self._targets(rows)
            assert offsets is not None
            loss, number = objective.sums(outputs, labels, offsets)
            total += loss
            positives += number

            found.append(detect(outputs, self._centres).cpu())
            sizes.append(len(outputs))

        precisions = average_precision(join(found, sizes), self._truth, len(self._class_names))
        return precisions, total.item() / max(int(positives), 1)

    def _targets(self, rows: slice) -> Targets:
        """Returns the targets of some images, without the boxes that are difficult."""
        images = self._images
        labels = images.labels[rows].masked_fill(images.difficult[rows], PADDING)
        return self._matcher.match(images.boxes[rows] / images.size, labels)

    def _outputs(self, network: nn.Module, precision: Precision) -> Iterator[tuple[slice, Tensor]]:
        """Yields the rows of every batch, and what the network says about them in float32."""
        network.eval()
        for start in range(0, len(self._images), self.batch_size):
            if self.before_batch is not None:
                self.before_batch()
            rows = slice(start, start + self.batch_size)
            yield rows, self._run(network, precision, rows)

    def _run(self, network: nn.Module, precision: Precision, rows: slice) -> Tensor:
        pictures = resize(self._images.images[rows], self._anchors.image_size)
        images = normalise(pictures, self._mean, self._std)
        with precision.autocast(self._device):
            outputs: Tensor = network(images.contiguous(memory_format=torch.channels_last))
        return outputs.float()
