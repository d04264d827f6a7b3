"""A contact sheet: some images of a pool side by side, a row per class, as one PNG."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from greenkd.records import not_written
from greenkd.records.files import temporary_name

_MOST_ROWS, _COLUMNS = 20, 16
_LEAST_SIDE = 32  # pixels on the sheet
_GAP = 2
_PAPER = 255


def contact_sheet(images: NDArray[np.uint8], labels: NDArray[np.int64]) -> NDArray[np.uint8]:
    """Returns the sheet, uint8 [height, width, channels].

    Args:
        images: [N, C, H, W], of one or three channels.
        labels: The class of each; a row holds the first of a class, and classes without an image have none.
    """
    factor = max(1, -(-_LEAST_SIDE // images.shape[-1]))
    side = factor * images.shape[-1] + _GAP
    classes = np.unique(labels)[:_MOST_ROWS]

    sheet = np.full((len(classes) * side + _GAP, _COLUMNS * side + _GAP, images.shape[1]), _PAPER, dtype=np.uint8)
    for row, label in enumerate(classes):
        for column, number in enumerate(np.flatnonzero(labels == label)[:_COLUMNS]):
            enlarged = images[number].transpose(1, 2, 0).repeat(factor, axis=0).repeat(factor, axis=1)
            top, left = row * side + _GAP, column * side + _GAP
            sheet[top : top + side - _GAP, left : left + side - _GAP] = enlarged
    return sheet


def write_contact_sheet(path: Path, images: NDArray[np.uint8], labels: NDArray[np.int64]) -> None:
    """Writes the sheet as PNG; a reader sees the old file or the new one.

    Args:
        path: Of the file.
        images: As for `contact_sheet`.
        labels: Likewise.

    Raises:
        StorageError: It cannot be written.
    """
    sheet = contact_sheet(images, labels)
    temporary = temporary_name(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(sheet[:, :, 0] if sheet.shape[2] == 1 else sheet).save(temporary, format="PNG")
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise not_written(path, error) from error
