"""Your own pictures with boxes in a COCO JSON file, as most annotation tools export them.

Two layouts are found by themselves:

    <root>/train/_annotations.coco.json        one JSON file beside its pictures (also in `images` or `data` there)
    <root>/annotations/instances_train2017.json, <root>/train2017/*       COCO's own (also <root>/images/train2017/*)

The JSON is read by Python's parser, and every entry is checked by pydantic: COCO's own reader (pycocotools) only
indexes entries, and stops at the first broken one with a KeyError.

Source: Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014; https://cocodataset.org/#format-data.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import pydantic
from pydantic import Field, TypeAdapter

from greenkd.anchors import AnchorGrid
from greenkd.data.annotated_pictures import AnnotatedBox, AnnotatedPicture, read_annotated
from greenkd.data.annotation_problems import AnnotationProblems
from greenkd.data.coco_layout import CocoPart, find_parts
from greenkd.data.detection import DetectionDataset, DetectionImages
from greenkd.data.used_classes import dataset_of_used_classes
from greenkd.errors import DataError

_Id = int | str
_Side = Annotated[int, Field(ge=1)]


@pydantic.dataclasses.dataclass(frozen=True)
class _Category:
    id: _Id
    name: str


@pydantic.dataclasses.dataclass(frozen=True)
class _Image:
    id: _Id
    file_name: str
    width: _Side | None = None
    height: _Side | None = None


@pydantic.dataclasses.dataclass(frozen=True)
class _Annotation:
    image_id: _Id
    category_id: _Id
    bbox: tuple[float, float, float, float]  # left, top, width, height in pixels
    iscrowd: bool = False


_Entry = TypeVar("_Entry", _Category, _Image, _Annotation)


def load_coco_folder(
    *,
    root: Path,
    anchors: AnchorGrid,
    train_annotations: Path | None = None,
    train_images: Path | None = None,
    test_annotations: Path | None = None,
    test_images: Path | None = None,
    in_channels: Literal[1, 3] = 3,
    store_size: Annotated[int, Field(ge=16, le=2048)] | None = None,
    max_bad_share: Annotated[float, Field(ge=0, lt=1)] = 0.01,
) -> DetectionDataset:
    """Loads pictures with boxes of any classes from COCO JSON files, in memory as squares.

    Classes are the categories by their numbers; those without a box are left out. Crowds count as difficult: training
    and the metric pass over them.

    Args:
        root: The folder that the other paths begin in.
        anchors: What the networks label and move.
        train_annotations: The training part's JSON file. None: it is looked for, as is the test part's; where there is
            no `test`, `val` is taken for it, and the log says so.
        train_images: The folder in which its pictures' names begin. None: it is looked for.
        test_annotations: As for training.
        test_images: As for training.
        in_channels: 1 turns everything to grey, 3 to RGB.
        store_size: Pixels per side of the squares; None: the anchors' image size. A crop that is enlarged is sharper
            from a larger square.
        max_bad_share: Largest share of bad pictures, and of bad boxes, per part, that is left out and named in the log.

    Raises:
        DataError: Something is missing or malformed; names the file.
    """
    root = root.expanduser()
    train_part, test_part = find_parts(root, train_annotations, test_annotations)

    contents = [_read_json(part.annotations) for part in (train_part, test_part)]
    categories: dict[_Id, str] = {}
    for content, part in zip(contents, (train_part, test_part), strict=True):
        _add_categories(categories, content, part.annotations)
    labels = {identifier: label for label, identifier in enumerate(sorted(categories, key=_in_order))}

    def read(content: dict[str, Any], part: CocoPart, images: Path | None) -> DetectionImages:
        problems = AnnotationProblems(part.annotations)
        entries = _sound(_Image, content["images"], "picture", problems)
        folder = part.images(root, [entry.file_name for entry in entries], images)
        pictures = _annotated(entries, content["annotations"], folder, labels, problems)
        return read_annotated(
            pictures,
            problems,
            where=part.annotations,
            store_size=store_size or anchors.image_size,
            in_channels=in_channels,
            unusable=len(content["images"]) - len(pictures),
            max_bad_share=max_bad_share,
        )

    train, test = read(contents[0], train_part, train_images), read(contents[1], test_part, test_images)
    names = [categories[identifier] for identifier in labels]
    return dataset_of_used_classes(train, test, names, anchors, root)


def _read_json(file: Path) -> dict[str, Any]:
    """Reads a file and checks that it has COCO's three lists."""
    try:
        content = json.loads(file.read_bytes())
    except (ValueError, RecursionError) as error:
        raise DataError(f"{file}: is no JSON ({error}); export it again") from error

    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise DataError(
                f"{file}: no list {key!r} in it; COCO's format has images, annotations and categories: export the "
                "boxes as 'COCO JSON', or use dataset=yolo_folder for text labels"
            )
    return dict(content)


def _add_categories(categories: dict[_Id, str], content: Mapping[str, Any], file: Path) -> None:
    """Takes a file's classes over; one that is broken makes every label doubtful and is refused."""
    try:
        entries = TypeAdapter(list[_Category]).validate_python(content["categories"])
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise DataError(f"{file}: categories.{place}: {first['msg']}; every one needs an id and a name") from error

    for entry in entries:
        if categories.setdefault(entry.id, entry.name) != entry.name:
            raise DataError(
                f"{file}: category {entry.id!r} is {entry.name!r}, and {categories[entry.id]!r} in another place; "
                "both parts need the same list of categories"
            )


def _sound(kind: type[_Entry], entries: Sequence[object], noun: str, problems: AnnotationProblems) -> list[_Entry]:
    """Returns the entries of a list that are what COCO's format says, and notes the others."""
    adapter = TypeAdapter(kind)
    sound: list[_Entry] = []
    for number, entry in enumerate(entries):
        try:
            sound.append(adapter.validate_python(entry))
        except pydantic.ValidationError as error:
            first = error.errors()[0]
            reason = f"whose {'.'.join(map(str, first['loc'])) or 'entry'} is not COCO's"
            add = problems.add_picture if noun == "picture" else problems.add_box
            add(reason, f"{noun} {number}")
    return sound


def _annotated(
    entries: Sequence[_Image],
    annotations: Sequence[object],
    folder: Path,
    labels: Mapping[_Id, int],
    problems: AnnotationProblems,
) -> list[AnnotatedPicture]:
    """Joins pictures and boxes, in the order of the pictures."""
    boxes: dict[_Id, list[AnnotatedBox]] = {entry.id: [] for entry in entries}
    for annotation in _sound(_Annotation, annotations, "box", problems):
        if annotation.category_id not in labels:
            problems.add_box(
                f"of category {annotation.category_id!r}, which is not listed,", f"picture {annotation.image_id}"
            )
        elif annotation.image_id not in boxes:
            problems.add_box("of a picture that is not listed", f"picture {annotation.image_id}")
        else:
            left, top, width, height = annotation.bbox
            corners = (left, top, left + width, top + height)
            boxes[annotation.image_id].append(AnnotatedBox(labels[annotation.category_id], corners, annotation.iscrowd))

    pictures = []
    for entry in entries:
        name = Path(entry.file_name)
        if name.is_absolute() or ".." in name.parts:
            problems.add_picture("whose name leads out of their folder", entry.file_name)
            continue

        size = (entry.width, entry.height) if entry.width and entry.height else None
        found = boxes.pop(entry.id, None)
        if found is None:
            problems.add_picture("with a number that another has", entry.file_name)
        else:
            pictures.append(AnnotatedPicture(folder / name, tuple(found), in_pixels=True, size=size))
    return pictures


def _in_order(identifier: _Id) -> tuple[bool, int, str]:
    """Numbers first and by size, then words."""
    is_word = isinstance(identifier, str)
    return is_word, 0 if is_word else int(identifier), str(identifier)
