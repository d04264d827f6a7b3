"""PASCAL VOC in its official layout.

    VOCdevkit/VOC<year>/JPEGImages/<name>.jpg
    VOCdevkit/VOC<year>/Annotations/<name>.xml
    VOCdevkit/VOC<year>/ImageSets/Main/<split>.txt      one name per line

The literature trains on train and val of 2007 and 2012 together ("07+12", 16,551 pictures) and tests on test of 2007.

Source: Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 2010.
"""

import logging
import re
from pathlib import Path
from typing import Annotated, Literal
from xml.etree import ElementTree

from pydantic import Field

from greenkd.anchors import AnchorGrid
from greenkd.data.annotated_pictures import AnnotatedBox, AnnotatedPicture, read_annotated
from greenkd.data.annotation_problems import UNREADABLE_ANNOTATION, AnnotationProblems
from greenkd.data.detection import DetectionDataset, DetectionImages
from greenkd.data.voc_archives import ARCHIVES, DEVKIT, archive_of, fetch_and_unpack
from greenkd.data.xml_files import MalformedXmlError, read_xml
from greenkd.errors import DataError

_log = logging.getLogger(__name__)

CLASS_NAMES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
_LABELS = {name: label for label, name in enumerate(CLASS_NAMES)}
_CORNERS = ("xmin", "ymin", "xmax", "ymax")

Split = Annotated[str, Field(pattern=r"^20\d\d[A-Za-z]\w*$")]
"""A year and the name of a split, as in `2007trainval`."""


def load_voc(
    *,
    root: Path,
    anchors: AnchorGrid,
    splits: Annotated[tuple[Split, ...], Field(min_length=1)] = ("2007trainval", "2012trainval"),
    test_split: Split = "2007test",
    download: bool = False,
    store_size: Literal[300, 384, 512] = 300,
    max_bad_share: Annotated[float, Field(ge=0, lt=1)] = 0.01,
) -> DetectionDataset:
    """Loads PASCAL VOC: pictures of 20 classes, in memory as squares.

    Boxes that are marked difficult stay: training and the metric pass over them. A box's first pixel is number 1 in the
    files, and its last pixel belongs to it; here it goes from xmin − 1 to xmax.

    Args:
        root: The folder that holds `VOCdevkit`, that folder itself, or one with `VOC2007` in it.
        anchors: What the networks label and move.
        splits: Parts to train on; validation is cut from them.
        test_split: The part to test on.
        download: Fetch the archives that are not there into `root`, and unpack them; those that lie in `root` are
            checked and unpacked.
        store_size: Pixels per side of the squares; a crop that is enlarged is sharper from a larger one.
        max_bad_share: Largest share of bad pictures, and of bad boxes, per part, that is left out and named in the log.

    Raises:
        DataError: Something is missing or malformed, or a picture is in two parts.
    """
    root = root.expanduser()
    named = [(split[:4], split[4:]) for split in (*splits, test_split)]
    files = [_split_file(root, year, split, fetch=download) for year, split in named]
    pictures = [_pictures_of(file, year, split) for file, (year, split) in zip(files, named, strict=True)]
    _refuse_common(pictures, (*splits, test_split))

    train_pictures = [picture for part in pictures[:-1] for picture in part]
    train, test = (
        _read_part(part, where, store_size, max_bad_share)
        for part, where in ((train_pictures, f"{root}: {', '.join(splits)}"), (pictures[-1], f"{root}: {test_split}"))
    )
    return DetectionDataset(train, test, CLASS_NAMES, anchors)


def _split_file(root: Path, year: str, split: str, *, fetch: bool) -> Path:
    """Finds the file that names a split's pictures; fetches the archive that holds it, if asked."""
    archive = archive_of(year, split)
    found = _find(root, year, split)
    if found is None and fetch and archive is not None:
        fetch_and_unpack(archive, root)
        found = _find(root, year, split)
    if found is not None:
        return found

    if archive is None:
        known = [f"{entry.year}{name}" for entry in ARCHIVES.values() for name in entry.splits]
        cure = f"published are {', '.join(known)}"
    elif (root / archive.file_name).is_file():
        cure = f"{archive.file_name} is there: dataset.download=true checks and unpacks it, and fetches nothing"
    else:
        cure = (
            f"unpack {archive.file_name} there, or fetch it with dataset.download=true (from {archive.url}); "
            "splits of your own choice: dataset.splits=[2007train] dataset.test_split=2007val"
        )
    raise DataError(f"{root}: no {DEVKIT}/VOC{year}/ImageSets/Main/{split}.txt in it; {cure}")


def _find(root: Path, year: str, split: str) -> Path | None:
    # Copies that unpack every archive into a folder of its own name are read as well.
    of_archives = [root / archive.file_name.removesuffix(".tar") / DEVKIT for archive in ARCHIVES.values()]
    for devkit in (root / DEVKIT, root, *of_archives):
        file = devkit / f"VOC{year}" / "ImageSets" / "Main" / f"{split}.txt"
        if file.is_file():
            return file
    return None


def _pictures_of(file: Path, year: str, split: str) -> list[Path]:
    """Reads the annotations' paths of a split; says so where it is not the published one."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise DataError(f"{file}: is no text; unpack the archive again") from error

    names = [line.split()[0] for line in lines if line.strip()]
    strange = [name for name in names if not re.fullmatch(r"\w[\w.-]*", name)]
    if strange or not names or len(set(names)) < len(names):
        trouble = f"{strange[0]!r} is no picture's name" if strange else "no picture, or one of them twice"
        raise DataError(f"{file}: {trouble}; unpack the archive again")

    archive = archive_of(year, split)
    if archive is not None and len(names) != archive.splits[split]:
        _log.warning("%s: %d pictures, the published split has %d: a cut", file, len(names), archive.splits[split])
    return [file.parents[2] / "Annotations" / f"{name}.xml" for name in names]


def _refuse_common(parts: list[list[Path]], names: tuple[str, ...]) -> None:
    """Refuses splits that have pictures in common."""
    seen: dict[Path, str] = {}
    for part, name in zip(parts, names, strict=True):
        for annotation in part:
            if annotation in seen:
                raise DataError(
                    f"dataset.splits: {annotation.stem} of VOC{name[:4]} is in {seen[annotation]} and in {name}; "
                    "give splits that have no picture in common"
                )
        seen |= dict.fromkeys(part, name)


def _read_part(annotations: list[Path], where: str, store_size: int, max_bad_share: float) -> DetectionImages:
    problems = AnnotationProblems(where)
    pictures = []
    for annotation in annotations:
        try:
            pictures.append(_annotated(annotation, problems))
        except MalformedXmlError as error:
            problems.add_picture(UNREADABLE_ANNOTATION, f"{annotation}: {error}")

    return read_annotated(
        pictures,
        problems,
        where=where,
        store_size=store_size,
        in_channels=3,
        unusable=len(annotations) - len(pictures),
        max_bad_share=max_bad_share,
    )


def _annotated(annotation: Path, problems: AnnotationProblems) -> AnnotatedPicture:
    """Reads the annotation of one picture.

    Raises:
        MalformedXmlError: It is missing, or is no XML of this kind.
    """
    document = read_xml(annotation, root="annotation")

    boxes = []
    for thing in document.iterfind("object"):
        name = (thing.findtext("name") or "").strip()
        corners = [_number(thing.find(f"bndbox/{corner}")) for corner in _CORNERS]
        if name not in _LABELS:
            problems.add_box(f"of class {name!r}, which VOC does not have,", annotation)
        elif None in corners:
            problems.add_box("without four numbers", annotation)
        else:
            left, top, right, bottom = (corner for corner in corners if corner is not None)
            difficult = _number(thing.find("difficult")) == 1
            boxes.append(AnnotatedBox(_LABELS[name], (left - 1, top - 1, right, bottom), difficult))

    sides = [_number(document.find(f"size/{side}")) for side in ("width", "height")]
    size = (int(sides[0]), int(sides[1])) if sides[0] and sides[1] else None
    picture = annotation.parents[1] / "JPEGImages" / f"{annotation.stem}.jpg"
    return AnnotatedPicture(picture, tuple(boxes), in_pixels=True, size=size)


def _number(element: ElementTree.Element | None) -> float | None:
    """Returns the finite number that an element holds; None if there is none."""
    text = element.text if element is not None else None
    number = re.fullmatch(r"\s*(-?\d{1,9}(\.\d*)?)\s*", text or "")
    return float(number[1]) if number else None
