"""Any set of pictures sorted into one folder per class: `root/train/<class>/*`, `root/test/<class>/*`."""

import logging
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from greenkd.data.base import Dataset, Images, require_every_class
from greenkd.data.picture_files import MISNAMED, PassedOver, find_pictures, folders_in, is_left_by_system
from greenkd.data.pictures import FORMATS, Pixels, centre_square, read_part, read_picture, to_pixels
from greenkd.errors import DataError

_log = logging.getLogger(__name__)


# Names of the parts' folders, in any capitals; the first that is there is taken.
_TRAIN = ("train", "training")
_TEST = ("test", "testing", "val", "valid", "validation", "dev")
_OUTSIDE = "a picture in no class folder; move it into one to have it read"
_BESIDE = "beside the folders that are read"


def load_image_folder(
    *,
    root: Path,
    image_size: Annotated[int, Field(ge=4)] | None = None,
    in_channels: Literal[1, 3] = 3,
    max_bad_share: Annotated[float, Field(ge=0, lt=1)] = 0.0,
) -> Dataset:
    """Loads JPEG, PNG, BMP, PPM, WebP, TIFF and GIF pictures, also from folders inside the class folders.

    Classes are the folders of `train` in alphabetical order. Everything is kept in memory, N · C · H · W bytes.
    Pictures are turned upright as their Exif data say. What is passed over, files that other systems leave and files
    that are no pictures, is counted and named in the log.

    Args:
        root: The folder with `train` and `test`. Where there is no `test`, `val` is taken for it, and the log says so.
        image_size: Resize the shorter side to this (bilinear with antialiasing) and cut out the centre square. None:
            leave the pictures as they are; they must then all be squares of one size.
        in_channels: 1 turns everything to grey, 3 to RGB.
        max_bad_share: Largest share of malformed pictures, per part, that is left out and named in the log; 0 refuses
            any.

    Raises:
        DataError: Something is missing or malformed, a class has no image, sizes differ; names the file.
    """
    root = root.expanduser()
    train_folder, test_folder = _parts(root)
    reader = _Reader(image_size, in_channels)

    beside_train = PassedOver(train_folder)
    class_folders = folders_in(train_folder, beside_train, otherwise=_OUTSIDE)
    class_names = tuple(folder.name for folder in class_folders)
    if not class_names:
        raise DataError(_without_classes(train_folder, beside_train))
    train = _read(train_folder, class_folders, class_names, reader, max_bad_share, beside_train)

    beside_test = PassedOver(test_folder)
    class_folders = folders_in(test_folder, beside_test, otherwise=_OUTSIDE)
    if not class_folders and beside_test.names(_OUTSIDE):
        raise DataError(_without_classes(test_folder, beside_test))
    test = _read(test_folder, class_folders, class_names, reader, max_bad_share, beside_test)

    return Dataset(train, test, class_names)


def _parts(root: Path) -> tuple[Path, Path]:
    """Returns the folders of the training and the test part."""
    if not root.is_dir():
        trouble = "is a file; unpack it" if root.is_file() else "no such folder"
        raise DataError(f"{root / 'train'}: no such folder; dataset.root={root}: {trouble}")

    beside = PassedOver(root)
    folders = folders_in(root, beside, otherwise=_BESIDE)
    train, test = _first_named(_TRAIN, folders), _first_named(_TEST, folders)
    if train is None or test is None:
        missing = root / ("train" if train is None else "test")
        raise DataError(
            f"{missing}: no such folder; dataset.root={root} must hold train/<class>/* and test/<class>/*"
            f"{_cure(root, folders, train)}"
        )

    if test.name != "test":
        _log.info("%s: no folder test; %s is taken as the test part", root, test.name)
    for folder in folders:
        if folder not in (train, test):
            beside.add(_BESIDE, folder)
    beside.report()
    return train, test


def _first_named(names: tuple[str, ...], folders: list[Path]) -> Path | None:
    """Returns the folder with the first of these names; where capitals alone differ, the small ones come first."""
    for name in names:
        alike = [folder for folder in folders if folder.name.lower() == name]
        if alike:
            return max(alike)
    return None


def _cure(root: Path, folders: list[Path], train: Path | None) -> str:
    """Returns what to do about a root without a training or a test part, by what lies there instead."""
    if train is not None:
        return f"; move about a fifth of every class's pictures from {train.name} to {root / 'test'}/<class>/"

    if root.name.lower() in (*_TRAIN, *_TEST) and _first_named(_TRAIN, _visible_folders(root.parent)) is not None:
        return f"; give the folder above it, dataset.root={root.parent}"

    for folder in folders:
        if _first_named(_TRAIN, _visible_folders(folder)) is not None:
            return f"; give the folder inside it, dataset.root={folder}"

    classes = [folder.name for folder in folders if find_pictures(folder, PassedOver(folder))[0]]
    if classes:
        named = ", ".join(classes[:3]) + (", …" if len(classes) > 3 else "")
        return (
            f"; it holds the classes themselves ({named}): move about a "
            f"fifth of every class's pictures to {root / 'test'}/<class>/, and the rest to {root / 'train'}/<class>/"
        )
    return ""


def _visible_folders(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_dir() and not is_left_by_system(path.name))


def _without_classes(part: Path, passed_over: PassedOver) -> str:
    """Returns the message for a part without class folders."""
    flat = passed_over.names(_OUTSIDE)
    lying = f", but {len(flat)} pictures ({flat[0]}, …)" if flat else ""
    others = [name for name in _TEST[2:] if (part.parent / name).is_dir() and part.name.lower() in _TEST[:2]]
    cure = f", or move {part} away to have {others[0]} taken as the test part" if others else ""

    return f"{part}: no class folders in it{lying}; sort the pictures into {part}/<class>/{cure}"


def _read(
    part: Path,
    class_folders: list[Path],
    class_names: tuple[str, ...],
    reader: "_Reader",
    max_bad_share: float,
    passed_over: PassedOver,
) -> Images:
    labels = {name: label for label, name in enumerate(class_names)}
    files: list[tuple[Path, int]] = []
    unusable: list[str] = []

    for folder in class_folders:
        if folder.name not in labels:
            raise DataError(f"{folder}: no class of that name in train; add it there, or take this folder away")

        pictures, foreign = find_pictures(folder, passed_over)
        if not pictures and not foreign:
            misnamed = [name for name in passed_over.names(MISNAMED) if Path(name).parts[0] == folder.name]
            hint = f" ({misnamed[0]} is one: give it such an ending)" if misnamed else ""
            raise DataError(
                f"{folder}: no pictures ({', '.join(FORMATS)}) in it{hint}; add some, or take the folder away"
            )
        files += [(path, labels[folder.name]) for path in pictures]
        unusable += foreign

    passed_over.report()
    _report_nested(part, [path for path, _ in files])
    images = read_part(files, reader, where=part, max_bad_share=max_bad_share, malformed=unusable)
    require_every_class(images.labels, class_names, str(part))
    return images


def _report_nested(part: Path, pictures: list[Path]) -> None:
    """Says that pictures of folders inside a class folder are taken for that class."""
    nested = [path.relative_to(part) for path in pictures if len(path.relative_to(part).parts) > 2]
    if nested:
        _log.info("%s: %d pictures lie deeper; they are of the class %s, …", part, len(nested), nested[0].parts[0])


class _Reader:
    """Decodes one file after the other and sees to it that all have one size.

    Args:
        image_size: Every picture is resized and cut to this; None: all must have the size of the first one.
        in_channels: 1 for grey, 3 for RGB.
    """

    def __init__(self, image_size: int | None, in_channels: int) -> None:
        self._image_size = image_size
        self._in_channels = in_channels
        self._side: int | None = None  # of the first picture, where nothing is resized

    def __call__(self, path: Path) -> Pixels:
        picture = read_picture(path, self._in_channels)
        if self._image_size is not None:
            return to_pixels(centre_square(picture, self._image_size))

        self._side = self._side or picture.width
        if picture.size != (self._side, self._side):
            raise DataError(
                f"{path}: {picture.width}×{picture.height} pixels, "
                f"{self._side}×{self._side} expected from the first one; "
                "all must be squares of one size, or set dataset.image_size=<pixels> to have them resized"
            )

        return to_pixels(picture)
