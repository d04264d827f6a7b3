"""Picture files to bytes in memory; what cannot be read is counted and named."""

import logging
import struct
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from greenkd.data.base import Images
from greenkd.errors import DataError

_log = logging.getLogger(__name__)

# Plain raster formats only: some of Pillow's other readers start external programs.
FORMATS = {
    **dict.fromkeys((".jpg", ".jpeg", ".jpe", ".jfif"), "JPEG"),
    **dict.fromkeys((".ppm", ".pgm", ".pbm", ".pnm"), "PPM"),
    **dict.fromkeys((".tif", ".tiff"), "TIFF"),
    ".png": "PNG",
    ".bmp": "BMP",
    ".webp": "WEBP",
    ".gif": "GIF",
}
_MAX_PIXELS = 1 << 26
# Kinds that often hold several pictures; the others' further frames are animation or a thumbnail.
_PAGED = ("TIFF", "GIF")
_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")

# How a picture is turned upright, by the orientation that cameras write beside it (Exif 2.3, tag 0x0112).
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}

# What Pillow raises on damaged files.
_DAMAGE = (
    OSError,
    SyntaxError,
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    LookupError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
    Image.DecompressionBombError,
)

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class MalformedError(Exception):
    """A picture, or the line that should describe it, is not usable; the message says why."""


def read_picture(path: Path, in_channels: int) -> Image.Image:
    """Decodes one file as grey (1 channel) or RGB (3), whatever it is stored as, and turns it upright.

    Raises:
        MalformedError: The file is missing, truncated, of an unknown kind, absurdly large, or holds several pictures.
    """
    try:
        with _open(path) as picture:
            return decoded(picture, in_channels)
    except _DAMAGE as error:
        raise MalformedError(str(error) or type(error).__name__) from error


def decoded(picture: Image.Image, in_channels: int) -> Image.Image:
    """Turns a picture upright and into grey (1 channel) or RGB (3).

    Raises:
        MalformedError: It is absurdly large, has more than 8 bits per channel, or holds several pictures.
    """
    if picture.width * picture.height > _MAX_PIXELS:
        raise MalformedError(f"{picture.width}×{picture.height} pixels")
    if picture.mode not in _EIGHT_BIT:
        raise MalformedError(f"more than 8 bits per channel (mode {picture.mode})")
    if picture.format in _PAGED and getattr(picture, "n_frames", 1) > 1:
        raise MalformedError(f"holds {getattr(picture, 'n_frames', 1)} pictures; save the one to be learned alone")

    picture.load()
    return _upright(picture, picture.convert("L" if in_channels == 1 else "RGB"))


def centre_square(picture: Image.Image, side: int) -> Image.Image:
    """Scales the shorter side to `side` and cuts out the centre square, as torchvision's Resize and CenterCrop do."""
    shorter = min(picture.size)
    width, height = (int(side * length / shorter) for length in picture.size)
    scaled = picture.resize((width, height), Image.Resampling.BILINEAR)

    left, top = round((width - side) / 2), round((height - side) / 2)
    return scaled.crop((left, top, left + side, top + side))


def picture_format(path: Path) -> str | None:
    """Returns the kind of picture that a file is by its content, "PNG" or another of `FORMATS`; None if it is none."""
    try:
        with _open(path) as picture:
            return picture.format
    except _DAMAGE:
        return None


def _open(path: Path) -> Image.Image:
    if path.exists() and not path.is_file():  # opening a pipe would wait for ever
        raise OSError("is no file")
    return Image.open(path, formats=sorted(set(FORMATS.values())))


def _upright(stored: Image.Image, picture: Image.Image) -> Image.Image:
    """Turns a picture the way its camera was held; one whose Exif data are broken stays as it is stored."""
    try:
        orientation = stored.getexif().get(_ORIENTATION)
    except _DAMAGE:
        return picture

    turn = _TURNS.get(orientation) if isinstance(orientation, int) else None
    return picture if turn is None else picture.transpose(turn)


def to_pixels(picture: Image.Image) -> Pixels:
    """Returns the pixels of a grey or RGB picture, uint8 [C, H, W]."""
    array = np.asarray(picture)
    return array[None] if array.ndim == 2 else np.ascontiguousarray(array.transpose(2, 0, 1))


def read_part(
    files: Sequence[tuple[Path, int]],
    read: Callable[[Path], Pixels],
    *,
    where: Path,
    max_bad_share: float,
    malformed: Sequence[str] = (),
) -> Images:
    """Reads all pictures of a training or test part, leaving out malformed ones up to a share.

    Args:
        files: Paths with class numbers.
        read: Decodes one file; all of one shape.
        where: The part's folder, for messages.
        max_bad_share: Largest share of malformed entries that is left out instead of refused.
        malformed: Entries already found unusable (lines of an annotation file), each with its reason.

    Returns:
        Images uint8 [N, C, H, W] and labels int64 [N], in the order of `files`.

    Raises:
        DataError: More than that share is malformed, or nothing is left.
    """
    bad = list(malformed)
    pixels: list[Pixels] = []
    labels: list[int] = []

    for path, label in files:
        try:
            pixels.append(read(path))
        except MalformedError as error:
            bad.append(f"{path}: {error}")
        else:
            labels.append(label)

    total = len(files) + len(malformed)
    if bad and len(bad) > max_bad_share * total:
        raise DataError(
            f"{bad[0]} ({len(bad)} of {total} pictures of {where} cannot be used); restore them, "
            f"or set dataset.max_bad_share={np.ceil(len(bad) / total * 1e4) / 1e4:.4g} to leave them out"
        )
    if bad:
        _log.warning("%s: %d of %d pictures left out:\n%s", where, len(bad), total, "\n".join(bad))

    if not pixels:
        raise DataError(f"{where}: no pictures in it; unpack the data set there")
    return Images(torch.from_numpy(np.stack(pixels)), torch.tensor(labels, dtype=torch.int64))
