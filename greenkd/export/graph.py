"""What is exported: the network between bytes and results, so that whoever runs it needs no code of ours."""

import dataclasses
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim, ExportedProgram

from greenkd.anchors import ANCHOR_GRIDS, decode_boxes
from greenkd.data.normalisation import affine
from greenkd.errors import ConfigError
from greenkd.export.student import Student
from greenkd.objectives.multibox import predicted
from greenkd.tasks.detection.post_processing import LARGEST_OVERLAP, LEAST_SCORE, MOST_DETECTIONS

INPUT = "images"


@dataclasses.dataclass(frozen=True, kw_only=True)
class GraphFacts:
    """What an exported graph takes and gives, for its metadata."""

    input: dict[str, Any]
    outputs: dict[str, Any]
    after: str | None  # what is left to do with the outputs; None: nothing


class Graph(nn.Module):
    """The whole way from images to results.

    It takes pixels, uint8 [B, C, S, S], and normalises them, or takes normalised float32 ones. Classification gives
    `logits` [B, K]. Detection gives `boxes` [B, A, 4], left, top, right, bottom in shares of the picture's side, and
    `scores` [B, A, K], every anchor's probability of every class; non-maximum suppression is left to the user, because
    runtimes have operators of their own for it.

    Args:
        student: What is exported.
        pixels: It takes pixels.
    """

    scale: Tensor
    shift: Tensor
    anchors: Tensor

    def __init__(self, student: Student, *, pixels: bool) -> None:
        super().__init__()
        data = student.facts.data
        self.network = student.network
        self.takes_pixels = pixels
        self.finds_boxes = data.anchors is not None

        scale, shift = affine(data.mean, data.std, student.device)
        self.register_buffer("scale", scale.clone())
        self.register_buffer("shift", shift.clone())
        if data.anchors is not None:
            self.register_buffer("anchors", ANCHOR_GRIDS[data.anchors].boxes.to(student.device))

    def forward(self, images: Tensor) -> Tensor | tuple[Tensor, Tensor]:
        """Maps images to logits, or to boxes and scores."""
        outputs: Tensor = self.network(images.float() * self.scale + self.shift if self.takes_pixels else images)
        if not self.finds_boxes:
            return outputs

        logits, offsets = predicted(outputs)
        boxes = decode_boxes(offsets, self.anchors).clamp(0, 1)
        return boxes, logits.softmax(dim=2)[..., 1:]


def graph_facts(student: Student, *, pixels: bool) -> GraphFacts:
    """Returns what a student's graph takes and gives.

    Args:
        student: What is exported.
        pixels: It takes pixels.
    """
    data = student.facts.data
    kind = "grey" if data.in_channels == 1 else "RGB"
    meaning = (
        f"pixels from 0 to 255, {kind}, channels first; normalised inside"
        if pixels
        else "(pixel / 255 - mean) / std, channel by channel"
    )
    taken = {
        "name": INPUT,
        "dtype": "uint8" if pixels else "float32",
        "shape": ["batch", data.in_channels, data.image_size, data.image_size],
        "meaning": meaning,
    }
    if data.anchors is None:
        logits = {"dtype": "float32", "shape": ["batch", data.num_classes], "meaning": "softmax gives probabilities"}
        return GraphFacts(input=taken, outputs={"logits": logits}, after=None)

    number = ANCHOR_GRIDS[data.anchors].num_anchors
    outputs = {
        "boxes": {
            "dtype": "float32",
            "shape": ["batch", number, 4],
            "meaning": "left, top, right, bottom in shares of the picture's width and height",
        },
        "scores": {
            "dtype": "float32",
            "shape": ["batch", number, data.num_classes],
            "meaning": "probability of each class; the background is left out",
        },
    }
    after = (
        f"class by class: scores above {LEAST_SCORE}, non-maximum suppression at an overlap of {LARGEST_OVERLAP}, "
        f"the best {MOST_DETECTIONS} of a picture"
    )
    return GraphFacts(input=taken, outputs=outputs, after=after)


def capture(student: Student, *, pixels: bool) -> ExportedProgram:
    """Captures a student's graph for batches of any size.

    Args:
        student: What is exported; on the CPU.
        pixels: It takes pixels.

    Raises:
        ConfigError: The network does something that torch.export cannot capture.
    """
    data = student.facts.data
    dtype = torch.uint8 if pixels else torch.float32
    example = torch.zeros(2, data.in_channels, data.image_size, data.image_size, dtype=dtype)
    try:
        with torch.no_grad():
            graph = Graph(student, pixels=pixels).eval()
            return torch.export.export(graph, (example,), dynamic_shapes={INPUT: {0: Dim("batch", min=1)}})
    except RuntimeError as error:
        first = (str(error).splitlines() or [""])[0]
        raise ConfigError(
            f"{student.facts.student}: torch.export cannot capture this network for batches of any size ({first}); "
            "take images.shape[0] for len(images) in it, and no branches on values; or --format safetensors"
        ) from error
