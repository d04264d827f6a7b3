"""Tiny ImageNet in its official layout.

    tiny-imagenet-200/wnids.txt                          one class per line: the order of the labels
    tiny-imagenet-200/words.txt                          class, tab, name
    tiny-imagenet-200/train/<class>/images/*.JPEG
    tiny-imagenet-200/val/images/*.JPEG
    tiny-imagenet-200/val/val_annotations.txt            file, tab, class, tab, box

Copies that were sorted again are read as well: pictures directly in `train/<class>/`, the validation part in
`val/<class>/`, with or without a folder `images` in it. The same pictures give the same data set in either layout.

Source: Stanford CS231n. The labels of its `test` folder were never published, so the official validation part is the
test part here, as everywhere in the literature; our validation part is cut from the training part.
"""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from greenkd.data.base import Dataset, require_every_class
from greenkd.data.picture_files import BY_SYSTEMS, PassedOver, find_pictures, is_left_by_system
from greenkd.data.pictures import MalformedError, Pixels, read_part, read_picture, to_pixels
from greenkd.errors import DataError

_FOLDER = "tiny-imagenet-200"
_SIDE = 64

_NO_CLASS = "of no class in wnids.txt"
_NO_LINE = "named by no line of val_annotations.txt"


def load_tiny_imagenet(*, root: Path, max_bad_share: Annotated[float, Field(ge=0, lt=1)] = 0.0) -> Dataset:
    """Loads Tiny ImageNet: 100,000 training and 10,000 test images of 64×64 pixels, 200 classes.

    About two in a hundred JPEGs are grey-scale; they become RGB with three equal channels. What is passed over is
    counted and named in the log.

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

    train_files, malformed = _sorted_by_class(folder / "train", wnids)
    train = read_part(train_files, _read_rgb, where=folder / "train", max_bad_share=max_bad_share, malformed=malformed)
    test_files, malformed = _validation_part(folder / "val", wnids)
    test = read_part(test_files, _read_rgb, where=folder / "val", max_bad_share=max_bad_share, malformed=malformed)

    require_every_class(train.labels, wnids, str(folder / "train"))
    require_every_class(test.labels, wnids, str(folder / "val"))

    return Dataset(train, test, tuple(names.get(wnid, wnid) for wnid in wnids))


def _locate(root: Path) -> Path:
    for folder in (root, root / _FOLDER):
        if (folder / "wnids.txt").is_file():
            return folder

    resorted = " (or dataset=image_folder, which needs no wnids.txt)" if (root / "train").is_dir() else ""
    raise DataError(
        f"{root}: neither wnids.txt nor {_FOLDER}/wnids.txt in it; unpack tiny-imagenet-200.zip "
        f"(http://cs231n.stanford.edu/tiny-imagenet-200.zip) and give dataset.root=<folder that holds it>{resorted}"
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


def _sorted_by_class(part: Path, wnids: list[str]) -> tuple[list[tuple[Path, int]], list[str]]:
    """Finds the training pictures: paths with labels, and those of a kind that is not read."""
    passed_over = PassedOver(part)
    files: list[tuple[Path, int]] = []
    malformed: list[str] = []

    for label, wnid in enumerate(wnids):
        pictures, foreign = _pictures_of_class(part / wnid, passed_over)
        if not pictures and not foreign:
            raise DataError(f"{part / wnid / 'images'}: no *.JPEG in it; unpack tiny-imagenet-200.zip again")
        files += [(path, label) for path in pictures]
        malformed += foreign

    _note_others(part, wnids, passed_over)
    passed_over.report()
    return files, malformed


def _validation_part(part: Path, wnids: list[str]) -> tuple[list[tuple[Path, int]], list[str]]:
    """Finds the validation pictures: paths with labels in the official order, and what makes no sense."""
    passed_over = PassedOver(part)
    resorted, malformed = _resorted(part, wnids, passed_over)
    annotations, images = part / "val_annotations.txt", part / "images"

    # Without annotations the official order is that of the numbers in the names: val_0.JPEG to val_9999.JPEG.
    if resorted and not annotations.exists():
        _note_others(part, wnids, passed_over)
        passed_over.report()
        return sorted(resorted.values(), key=lambda file: (len(file[0].name), file[0].name)), malformed

    labels = {wnid: label for label, wnid in enumerate(wnids)}
    files: list[tuple[Path, int]] = []
    for number, line in enumerate(_lines(annotations), start=1):
        name, wnid = [*line.split("\t"), "", ""][:2]
        if not _is_file_name(name) or wnid not in labels:
            malformed.append(f"{annotations}:{number}: {line[:80]!r} names no picture and class of wnids.txt")
            continue

        path, label = resorted.pop(name, (images / name, labels[wnid]))
        if label != labels[wnid]:
            malformed.append(f"{annotations}:{number}: {name} is of class {wnid}, but lies in {path.parent}")
        else:
            files.append((path, label))

    files += sorted(resorted.values(), key=lambda file: (len(file[0].name), file[0].name))
    _note_unnamed(images, {path for path, _ in files}, passed_over)
    _note_others(part, [*wnids, images.name, annotations.name], passed_over)
    passed_over.report()
    return files, malformed


def _resorted(part: Path, wnids: list[str], passed_over: PassedOver) -> tuple[dict[str, tuple[Path, int]], list[str]]:
    """Finds validation pictures that were sorted into class folders, by name, and those of a kind that is not read."""
    files: dict[str, tuple[Path, int]] = {}
    malformed: list[str] = []

    for label, wnid in enumerate(wnids):
        if not (part / wnid).is_dir():
            continue

        pictures, foreign = _pictures_of_class(part / wnid, passed_over)
        malformed += foreign
        for path in pictures:
            if path.name in files:
                malformed.append(f"{path}: {files[path.name][0]} has the same name")
            else:
                files[path.name] = (path, label)

    return files, malformed


def _pictures_of_class(folder: Path, passed_over: PassedOver) -> tuple[list[Path], list[str]]:
    """Finds the pictures of one class; the official list of boxes beside them is nothing to speak of."""
    if not folder.is_dir():
        return [], []

    return find_pictures(folder, passed_over, known=f"{folder.name}_boxes.txt")


def _note_others(part: Path, known: list[str], passed_over: PassedOver) -> None:
    """Notes what lies in a part beside what is read."""
    for path in sorted(part.iterdir() if part.is_dir() else ()):
        if path.name not in known:
            passed_over.add(BY_SYSTEMS if is_left_by_system(path.name) else _NO_CLASS, path)


def _note_unnamed(images: Path, read: set[Path], passed_over: PassedOver) -> None:
    """Notes pictures of the official folder that have no class."""
    if images.is_dir():
        pictures, _ = find_pictures(images, passed_over)
        for path in pictures:
            if path not in read:
                passed_over.add(_NO_LINE, path)


def _is_file_name(text: str) -> bool:
    """Tells whether a text from the archive is the name of a file inside a folder, and leads to none outside it."""
    return text.isprintable() and text not in ("", ".", "..") and Path(text).name == text


def _read_rgb(path: Path) -> Pixels:
    picture = read_picture(path, in_channels=3)
    if picture.size != (_SIDE, _SIDE):
        raise MalformedError(f"{picture.width}×{picture.height} pixels instead of {_SIDE}×{_SIDE}")
    return to_pixels(picture)
