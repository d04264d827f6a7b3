"""Pictures as users have them, to the bytes that a network was trained on: tensors, arrays, Pillow's images, files."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from greenkd.data.detection_augmentation import resize
from greenkd.data.pictures import MalformedError, centre_square, decoded, read_picture, to_pixels
from greenkd.errors import DataError
from greenkd.records import DataRecord

Picture = str | os.PathLike[str] | Image.Image
Pictures = Tensor | np.ndarray[tuple[int, ...], np.dtype[np.uint8]] | Picture | Sequence[Picture]

# So many pixels go through a network together.
_PIXELS = 2_000_000
_MOST_IMAGES = 500
_KINDS = "a path, a PIL image, or uint8 [N, C, H, W]"

Size = tuple[int, int]  # width and height of a picture as it was given


def batches(pictures: Pictures, data: DataRecord) -> Iterator[tuple[Tensor, list[Size]]]:
    """Yields pictures in batches, uint8 [B, C, S, S], with the sizes that they had.

    A file or an image of another size is treated as in training: in classification the shorter side is scaled and the
    centre cut out, in detection the picture is squeezed into a square.

    Args:
        pictures: As `Student.predict` takes them.
        data: What the network was trained on.

    Raises:
        DataError: It is no picture, or one of another type or shape.
    """
    if isinstance(pictures, np.ndarray):
        pictures = torch.from_numpy(pictures)
    if isinstance(pictures, Tensor):
        yield from _of_tensor(pictures, data)
        return

    if isinstance(pictures, str | os.PathLike | Image.Image) or not isinstance(pictures, Iterable):
        listed = [pictures]
    else:
        listed = list(pictures)
    for start in range(0, len(listed), _batch_size(data)):
        read = [_read(picture, data) for picture in listed[start : start + _batch_size(data)]]
        yield torch.stack([pixels for pixels, _ in read]), [size for _, size in read]


def _of_tensor(images: Tensor, data: DataRecord) -> Iterator[tuple[Tensor, list[Size]]]:
    side = data.image_size
    expected = f"uint8 [N, {data.in_channels}, {side}, {side}]"
    if images.dtype != torch.uint8:
        raise DataError(
            f"images are {images.dtype}; give {expected}, pixels from 0 to 255: the student normalises them itself"
        )
    if images.dim() != 4 or images.shape[1] != data.in_channels:
        raise DataError(f"images have the shape {list(images.shape)}; give {expected}")
    if data.anchors is None and tuple(images.shape[2:]) != (side, side):
        raise DataError(
            f"images have the shape {list(images.shape)}; give {expected}, or files or PIL images, which are resized"
        )

    height, width = images.shape[2:]
    for start in range(0, len(images), _batch_size(data)):
        batch = resize(images[start : start + _batch_size(data)], side)
        yield batch, [(width, height)] * len(batch)


def _read(picture: Picture, data: DataRecord) -> tuple[Tensor, Size]:
    try:
        if isinstance(picture, Image.Image):
            upright = decoded(picture, data.in_channels)
        else:
            upright = read_picture(Path(picture), data.in_channels)
    except (MalformedError, OSError) as error:
        raise DataError(f"{picture}: {error}; give {_KINDS}") from error
    except TypeError as error:
        raise DataError(f"a {type(picture).__name__} is no picture; give {_KINDS}") from error

    side = data.image_size
    if data.anchors is None:
        square = centre_square(upright, side)
    else:
        square = upright.resize((side, side), Image.Resampling.BILINEAR)
    return torch.from_numpy(np.array(to_pixels(square))), upright.size


def _batch_size(data: DataRecord) -> int:
    return max(1, min(_MOST_IMAGES, _PIXELS // data.image_size**2))
