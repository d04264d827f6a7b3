"""Tiny ImageNet in its official layout.

    tiny-imagenet-200/wnids.txt                          one class per line: the order of the labels
    tiny-imagenet-200/words.txt                          class, tab, name
    tiny-imagenet-200/train/<class>/images/*.JPEG
    tiny-imagenet-200/val/images/*.JPEG
    tiny-imagenet-200/val/val_annotations.txt            file, tab, class, tab, box

Source: Stanford CS231n. The labels of its `test` folder were never published, so the official validation part is the
test part here, as everywhere in the literature; our validation part is cut from the training part.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from greenkd.data.base import Dataset, require_every_class
from greenkd.data.pictures import MalformedError, Pixels, read_part, read_picture, to_pixels
from greenkd.errors import DataError

_FOLDER = "tiny-imagenet-200"
_SIDE = 64


def load_tiny_imagenet(*, root: Path, max_bad_share: Annotated[float, Field(ge=0, lt=1)] = 0.0) -> Dataset:
    """Loads Tiny ImageNet: 100,000 training and 10,000 test images of 64×64 pixels, 200 classes.

    About two in a hundred JPEGs are grey-scale; they become RGB with three equal channels.

    Args:
        root: The folder that holds `tiny-imagenet-200`, or that folder itself.
        max_bad_share: Largest share of malformed pictures and annotations, per part, that is left out and named in the
            log. 0 refuses any: the official archive has none, and a set that silently lost some is another set.

    Raises:
        DataError: Something is missing, malformed, or a class has no image; names the file.
    """
    folder = _locate(root.expanduser())
    wnids = _class_ids(folder / "wnids.txt")
    names = _names(folder / "words.txt")

    train_files = [(path, label) for label, wnid in enumerate(wnids) for path in _class_files(folder / "train" / wnid)]
    train = read_part(train_files, _read_rgb, where=folder / "train", max_bad_share=max_bad_share)
    test_files, malformed = _annotated(folder / "val", wnids)
    test = read_part(test_files, _read_rgb, where=folder / "val", max_bad_share=max_bad_share, malformed=malformed)

    require_every_class(train.labels, wnids, str(folder / "train"))
    require_every_class(test.labels, wnids, str(folder / "val"))

    return Dataset(train, test, tuple(names.get(wnid, wnid) for wnid in wnids))


def _locate(root: Path) -> Path:
    for folder in (root, root / _FOLDER):
        if (folder / "wnids.txt").is_file():
            return folder
    raise DataError(
        f"{root}: neither wnids.txt nor {_FOLDER}/wnids.txt in it; unpack tiny-imagenet-200.zip "
        "(http://cs231n.stanford.edu/tiny-imagenet-200.zip) and give dataset.root=<folder that holds it>"
    )


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise DataError(f"{file}: cannot be read ({error.strerror}); unpack tiny-imagenet-200.zip again") from error


def _class_ids(file: Path) -> list[str]:
    """Reads the WordNet numbers that name the classes' folders, in the order of the labels."""
    wnids = [line.strip() for line in _lines(file) if line.strip()]
    unusable = [wnid for wnid in wnids if not _is_file_name(wnid)]
    if not wnids or unusable or len(set(wnids)) < len(wnids):
        trouble = f"class {unusable[0]!r} is not a folder name" if unusable else "no classes, or one of them twice"
        raise DataError(f"{file}: {trouble}; unpack tiny-imagenet-200.zip again")

    return wnids


def _names(file: Path) -> dict[str, str]:
    """Reads the names of the classes, by WordNet number; those of many other classes stand in the file as well."""
    pairs = (line.split("\t", 1) for line in _lines(file))
    return {pair[0].strip(): pair[1].strip() for pair in pairs if len(pair) == 2}


def _class_files(folder: Path) -> list[Path]:
    files = sorted(path for path in (folder / "images").glob("*") if path.suffix.upper() == ".JPEG")
    if not files:
        raise DataError(f"{folder / 'images'}: no *.JPEG in it; unpack tiny-imagenet-200.zip again")
    return files


def _annotated(folder: Path, wnids: list[str]) -> tuple[list[tuple[Path, int]], list[str]]:
    """Reads the annotations of the validation part: paths with labels, and the lines that make no sense."""
    annotations = folder / "val_annotations.txt"
    labels = {wnid: label for label, wnid in enumerate(wnids)}
    files: list[tuple[Path, int]] = []
    malformed: list[str] = []

    for number, line in enumerate(_lines(annotations), start=1):
        name, wnid = [*line.split("\t"), "", ""][:2]
        if not _is_file_name(name) or wnid not in labels:
            malformed.append(f"{annotations}:{number}: {line[:80]!r} names no picture and class of wnids.txt")
        else:
            files.append((folder / "images" / name, labels[wnid]))

    return files, malformed


def _is_file_name(text: str) -> bool:
    """Tells whether a text from the archive is the name of a file inside a folder, and leads to none outside it."""
    return text.isprintable() and text not in ("", ".", "..") and Path(text).name == text


def _read_rgb(path: Path) -> Pixels:
    picture = read_picture(path, in_channels=3)
    if picture.size != (_SIDE, _SIDE):
        raise MalformedError(f"{picture.width}×{picture.height} pixels instead of {_SIDE}×{_SIDE}")
    return to_pixels(picture)
