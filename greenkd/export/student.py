"""A student that is ready for use: its network, what its outputs mean, and what its records say."""

import dataclasses
from typing import NamedTuple

import torch
from torch import Tensor, nn

from greenkd.anchors import ANCHOR_GRIDS
from greenkd.data import normalise
from greenkd.export.facts import StudentFacts
from greenkd.export.pictures import Pictures, Size, batches
from greenkd.export.predictions import Classes, Found
from greenkd.records.trial import ParamValue
from greenkd.tasks.detection.post_processing import detect


class Normalisation(NamedTuple):
    """What pixels go through before the network: (pixel / 255 - mean) / std, channel by channel."""

    mean: tuple[float, ...]  # per channel, in units of [0, 1]
    std: tuple[float, ...]
    image_size: int  # height and width in pixels
    in_channels: int  # 1 for grey, 3 for RGB


@dataclasses.dataclass(frozen=True, kw_only=True, eq=False)
class Student:
    """The network that a campaign chose.

    Attributes:
        network: In evaluation mode, on `device`; takes normalised images, float32 [B, C, S, S].
        facts: Everything on record about it: scores, τ and the trials that it was chosen from, costs.
        device: Where it lies.
    """

    network: nn.Module
    facts: StudentFacts
    device: torch.device

    @property
    def class_names(self) -> tuple[str, ...]:
        """A name for each class, in the order of the outputs; numbers where an earlier version recorded none."""
        return self.facts.data.class_names

    @property
    def normalisation(self) -> Normalisation:
        """What `normalise` does, for those who do it themselves."""
        data = self.facts.data
        return Normalisation(data.mean, data.std, data.image_size, data.in_channels)

    @property
    def metric(self) -> str:
        """What the scores are: `accuracy` or `mAP`."""
        return self.facts.metric

    @property
    def test_score(self) -> float:
        """The metric on the test set, a fraction."""
        return self.facts.test.score

    @property
    def tau(self) -> float | None:
        """The distillation temperature that was chosen; None where it is not one number."""
        return self.facts.tau

    @property
    def params(self) -> dict[str, ParamValue]:
        """τ, and what else was searched with it."""
        return dict(self.facts.params)

    def normalise(self, images: Tensor) -> Tensor:
        """Turns pixels, uint8 [B, C, S, S], into what the network takes, float32 on the student's device."""
        data = self.facts.data
        return normalise(images.to(self.device), data.mean, data.std)

    @torch.inference_mode()
    def predict(self, pictures: Pictures) -> Classes | list[Found]:
        """Says what pictures show.

        Args:
            pictures: uint8 [N, C, H, W] as tensor or array, pixels from 0 to 255; or a path, a PIL image, or a list of
                these, which are turned upright, resized and made grey or RGB as in training.

        Returns:
            In classification the classes of all pictures. In detection a list with what was found in each: boxes of a
            score of at least 0.01, without those that non-maximum suppression takes for the same thing, as in the
            evaluation of `mAP`.

        Raises:
            DataError: It is no picture, or one of another type or shape.
        """
        outputs: list[Tensor] = []
        sizes: list[Size] = []
        for images, given in batches(pictures, self.facts.data):
            outputs.append(self.network(self.normalise(images)).float())
            sizes += given

        if self.facts.data.anchors is not None:
            return self._found(outputs, sizes)
        logits = torch.cat(outputs) if outputs else torch.zeros(0, len(self.class_names))
        labels = logits.argmax(1)
        return Classes(labels, self._names(labels), logits.softmax(1), logits)

    def _found(self, outputs: list[Tensor], sizes: list[Size]) -> list[Found]:
        """Returns the detections of every picture, in its own pixels."""
        anchors = ANCHOR_GRIDS[str(self.facts.data.anchors)].boxes.to(self.device)
        found: list[Found] = []
        for batch in outputs:
            detections = detect(batch, anchors)
            for number in range(len(batch)):
                rows = detections.images == number
                width, height = sizes[len(found)]
                scale = torch.tensor([width, height, width, height], dtype=torch.float32, device=self.device)
                labels = detections.labels[rows]
                boxes = detections.boxes[rows] * scale
                found.append(Found(boxes, labels, self._names(labels), detections.scores[rows]))
        return found

    def _names(self, labels: Tensor) -> tuple[str, ...]:
        return tuple(self.class_names[label] for label in labels.tolist())
