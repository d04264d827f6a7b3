"""Your own pictures with boxes in Ultralytics' layout for YOLO.

    <root>/data.yaml                names of the classes, and where each part's pictures lie
    <root>/images/train/a.jpg       a picture; also <root>/train/images/a.jpg
    <root>/labels/train/a.txt       its boxes, one per line: class, centre x, centre y, width, height in shares of the
                                    picture; a line of more numbers is a polygon, whose box is taken

Source: https://docs.ultralytics.com/datasets/detect/
"""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from greenkd.anchors import AnchorGrid
from greenkd.data.annotated_pictures import AnnotatedBox, AnnotatedPicture, read_annotated
from greenkd.data.annotation_problems import UNREADABLE_ANNOTATION, WITHOUT_FILE, AnnotationProblems
from greenkd.data.detection import DetectionDataset, DetectionImages
from greenkd.data.used_classes import dataset_of_used_classes
from greenkd.data.yolo_layout import label_file, labels_without_picture, read_layout
from greenkd.errors import DataError

_log = logging.getLogger(__name__)

_NUMBERS = 5  # on the line of a box; a polygon has at least three corners


def load_yolo_folder(
    *,
    root: Path,
    anchors: AnchorGrid,
    in_channels: Literal[1, 3] = 3,
    store_size: Annotated[int, Field(ge=16, le=2048)] | None = None,
    max_bad_share: Annotated[float, Field(ge=0, lt=1)] = 0.01,
) -> DetectionDataset:
    """Loads pictures with boxes of any classes from text labels, in memory as squares.

    Classes without a box are left out. A picture without a label file, or with an empty one, is background.

    Args:
        root: The folder that holds `data.yaml`, or another file of that kind itself. Where it names no `test`, `val` is
            taken for it, and the log says so.
        anchors: What the networks label and move.
        in_channels: 1 turns everything to grey, 3 to RGB.
        store_size: Pixels per side of the squares; None: the anchors' image size. A crop that is enlarged is sharper
            from a larger square.
        max_bad_share: Largest share of bad pictures, and of bad boxes, per part, that is left out and named in the log.

    Raises:
        DataError: Something is missing or malformed; names the file.
    """
    layout = read_layout(root.expanduser())

    parts: list[DetectionImages] = []
    for name, pictures in layout.parts.items():
        where = f"{layout.file}: {name}"
        problems = AnnotationProblems(where)
        annotated, unusable = _annotated(pictures, len(layout.class_names), where, problems)
        parts.append(
            read_annotated(
                annotated,
                problems,
                where=where,
                store_size=store_size or anchors.image_size,
                in_channels=in_channels,
                unusable=unusable,
                max_bad_share=max_bad_share,
            )
        )

    train, test = parts
    return dataset_of_used_classes(train, test, layout.class_names, anchors, layout.file)


def _annotated(
    pictures: Sequence[Path], num_classes: int, where: str, problems: AnnotationProblems
) -> tuple[list[AnnotatedPicture], int]:
    """Joins pictures and labels; returns them and the number of pictures that cannot be used."""
    annotated: list[AnnotatedPicture] = []
    background, unusable = 0, 0
    for path in pictures:
        labels = label_file(path)
        if not labels.is_file():
            background += 1
            annotated.append(AnnotatedPicture(path, (), in_pixels=False))
            continue

        try:
            lines = labels.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            unusable += 1
            problems.add_picture(UNREADABLE_ANNOTATION, f"{labels}: {error}")
        else:
            boxes = _boxes(lines, num_classes, labels, problems)
            annotated.append(AnnotatedPicture(path, tuple(boxes), in_pixels=False))

    if background == len(pictures):
        raise DataError(
            f"{where}: no label file for any of {background} pictures; {label_file(pictures[0])} is where the first "
            "one's is looked for"
        )
    if background:
        _log.info("%s: %d of %d pictures have no label file; they are background", where, background, len(pictures))

    orphans = labels_without_picture(pictures)
    for orphan in orphans:
        problems.add_picture(WITHOUT_FILE, orphan)
    return annotated, unusable + len(orphans)


def _boxes(lines: Sequence[str], num_classes: int, file: Path, problems: AnnotationProblems) -> list[AnnotatedBox]:
    """Reads the lines of one label file; notes those that describe no box."""
    boxes = []
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue

        name = f"{file}:{number}"
        try:
            label, *numbers = [float(word) for word in line.split()]
        except ValueError:
            problems.add_box("that are no numbers", name)
            continue

        polygon = len(numbers) >= _NUMBERS + 1 and len(numbers) % 2 == 0
        if not polygon and len(numbers) != _NUMBERS - 1:
            problems.add_box("of neither five numbers nor a class and the corners of a polygon", name)
        elif not math.isfinite(label) or label != int(label) or not 0 <= label < num_classes:
            problems.add_box(f"of class {label:g}, of which data.yaml names 0 to {num_classes - 1},", name)
        else:
            boxes.append(AnnotatedBox(int(label), _corners(numbers)))
    return boxes


def _corners(numbers: Sequence[float]) -> tuple[float, float, float, float]:
    """Returns left, top, right, bottom of a box by centre and size, or of a polygon by its corners."""
    if len(numbers) == _NUMBERS - 1:
        x, y, width, height = numbers
        return x - width / 2, y - height / 2, x + width / 2, y + height / 2

    across, down = numbers[::2], numbers[1::2]
    return min(across), min(down), max(across), max(down)
