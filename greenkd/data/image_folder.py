"""Any set of pictures sorted into one folder per class: `root/train/<class>/*`, `root/test/<class>/*`."""

import logging
from pathlib import Path
from typing import Annotated, Literal

from PIL import Image
from pydantic import Field

from greenkd.data.base import Dataset, Images, require_every_class
from greenkd.data.pictures import FORMATS, Pixels, read_part, read_picture, to_pixels
from greenkd.errors import DataError

_log = logging.getLogger(__name__)


def load_image_folder(
    *,
    root: Path,
    image_size: Annotated[int, Field(ge=4)] | None = None,
    in_channels: Literal[1, 3] = 3,
    max_bad_share: Annotated[float, Field(ge=0, lt=1)] = 0.0,
) -> Dataset:
    """Loads JPEG, PNG, BMP, PPM and WebP pictures; classes are the folders of `train` in alphabetical order.

    Everything is kept in memory, N · C · H · W bytes. Files with other endings are passed over.

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
    class_names = tuple(folder.name for folder in _class_folders(train_folder))
    if not class_names:
        raise DataError(f"{train_folder}: no class folders in it; sort the pictures into {train_folder}/<class>/")

    reader = _Reader(image_size, in_channels)
    train = _read(train_folder, class_names, reader, max_bad_share)
    test = _read(test_folder, class_names, reader, max_bad_share)
    return Dataset(train, test, class_names)


def _parts(root: Path) -> tuple[Path, Path]:
    """Returns the folders of the training and the test part."""
    train, test, val = (root / name for name in ("train", "test", "val"))
    if not test.is_dir() and val.is_dir():
        _log.info("%s: no folder test; val is taken as the test part", root)
        test = val

    for folder in (train, test):
        if not folder.is_dir():
            raise DataError(
                f"{folder}: no such folder; dataset.root={root} must hold train/<class>/* and test/<class>/*"
            )
    return train, test


def _class_folders(part: Path) -> list[Path]:
    return sorted(folder for folder in part.iterdir() if folder.is_dir() and not folder.name.startswith("."))


def _read(part: Path, class_names: tuple[str, ...], reader: "_Reader", max_bad_share: float) -> Images:
    labels = {name: label for label, name in enumerate(class_names)}
    files: list[tuple[Path, int]] = []

    for folder in _class_folders(part):
        if folder.name not in labels:
            raise DataError(f"{folder}: no class of that name in train; add it there, or take this folder away")

        pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in FORMATS)
        if not pictures:
            raise DataError(f"{folder}: no pictures ({', '.join(FORMATS)}) in it; add some, or take the folder away")
        files += [(path, labels[folder.name]) for path in pictures]

    images = read_part(files, reader, where=part, max_bad_share=max_bad_share)
    require_every_class(images.labels, class_names, str(part))
    return images


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
            return to_pixels(_resized(picture, self._image_size))

        self._side = self._side or picture.width
        if picture.size != (self._side, self._side):
            raise DataError(
                f"{path}: {picture.width}×{picture.height} pixels, "
                f"{self._side}×{self._side} expected from the first one; "
                "all must be squares of one size, or set dataset.image_size=<pixels> to have them resized"
            )

        return to_pixels(picture)


def _resized(picture: Image.Image, side: int) -> Image.Image:
    """Scales the shorter side to `side` and cuts out the centre square, as torchvision's Resize and CenterCrop do."""
    shorter = min(picture.size)
    width, height = (int(side * length / shorter) for length in picture.size)
    scaled = picture.resize((width, height), Image.Resampling.BILINEAR)

    left, top = round((width - side) / 2), round((height - side) / 2)
    return scaled.crop((left, top, left + side, top + side))
