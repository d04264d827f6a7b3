"""Classes that no box is of: left out where neither part has one, refused where only the test part has."""

import logging
from collections.abc import Sequence
from pathlib import Path

import torch

from greenkd.anchors import AnchorGrid
from greenkd.data.detection import PADDING, DetectionDataset, DetectionImages
from greenkd.errors import DataError

_log = logging.getLogger(__name__)


def dataset_of_used_classes(
    train: DetectionImages, test: DetectionImages, class_names: Sequence[str], anchors: AnchorGrid, where: Path
) -> DetectionDataset:
    """Returns the data set without the classes that are named but occur nowhere, as exporters write them.

    Args:
        train: The training part.
        test: The test part.
        class_names: One name per label of either.
        anchors: What the networks label and move.
        where: The data set, for messages.

    Raises:
        DataError: A class has boxes in the test part alone, or two classes that have boxes share a name.
    """
    in_train, in_test = (
        torch.bincount(part.labels[part.labels != PADDING], minlength=len(class_names)) > 0 for part in (train, test)
    )
    if untaught := _named(class_names, in_test & ~in_train):
        raise DataError(
            f"{where}: {len(untaught)} classes have boxes in the test part and none in the training part "
            f"({_shortened(untaught)}); move some of their pictures, or take the classes out"
        )

    if unused := _named(class_names, ~in_train):
        _log.warning("%s: %d classes have no box and are left out: %s", where, len(unused), _shortened(unused))
    if untested := _named(class_names, in_train & ~in_test):
        _log.warning(
            "%s: %d classes have no box in the test part and do not count there: %s",
            where,
            len(untested),
            _shortened(untested),
        )

    names = _named(class_names, in_train)
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{where}: two classes are named {twice!r}; give one of them another name")

    numbers = torch.where(in_train, in_train.cumsum(0) - 1, PADDING)
    renumbered = [
        DetectionImages(
            part.images, part.boxes, torch.where(part.labels < 0, PADDING, numbers[part.labels]), part.difficult
        )
        for part in (train, test)
    ]
    return DetectionDataset(renumbered[0], renumbered[1], tuple(names), anchors)


def _named(class_names: Sequence[str], chosen: torch.Tensor) -> list[str]:
    return [name for name, is_chosen in zip(class_names, chosen.tolist(), strict=True) if is_chosen]


def _shortened(names: Sequence[str]) -> str:
    return ", ".join(names[:10]) + (", …" if len(names) > 10 else "")
