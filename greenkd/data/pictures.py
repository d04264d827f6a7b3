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
FORMATS = {".jpeg": "JPEG", ".jpg": "JPEG", ".png": "PNG", ".bmp": "BMP", ".ppm": "PPM", ".pgm": "PPM", ".webp": "WEBP"}
_MAX_PIXELS = 1 << 26
_EIGHT_BIT = ("1", "L", "LA", "P", "PA", "RGB", "RGBA", "CMYK", "YCbCr")

Pixels = np.ndarray[Any, np.dtype[np.uint8]]


class MalformedError(Exception):
    """A picture, or the line that should describe it, is not usable; the message says why."""


def read_picture(path: Path, in_channels: int) -> Image.Image:
    """Decodes one file as grey (1 channel) or RGB (3), whatever it is stored as.

    Raises:
        MalformedError: The file is missing, truncated, of an unknown kind, or absurdly large.
    """
    try:
        with Image.open(path, formats=sorted(set(FORMATS.values()))) as picture:
            if picture.width * picture.height > _MAX_PIXELS:
                raise MalformedError(f"{picture.width}×{picture.height} pixels")
            if picture.mode not in _EIGHT_BIT:
                raise MalformedError(f"more than 8 bits per channel (mode {picture.mode})")

            return picture.convert("L" if in_channels == 1 else "RGB")
    except (OSError, SyntaxError, ValueError, EOFError, struct.error, Image.DecompressionBombError) as error:
        raise MalformedError(str(error)) from error


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
