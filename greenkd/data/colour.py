"""Random changes of brightness, contrast, saturation, hue and channel order, for whole batches on the device.

The order of the steps, their ranges and their arithmetic are those of torchvision's v2.RandomPhotometricDistort on
pictures of floats, which follow Howard, "Some Improvements on Deep Convolutional Neural Network Based Image
Classification", 2013, as SSD has it. Every picture has its own numbers; one that leaves a step out has the number that
changes nothing.
"""

import itertools
from typing import Any

import numpy as np
import torch
from torch import Tensor

Uniform = np.ndarray[Any, np.dtype[np.float64]]

NUMBERS = 11
"""Uniform numbers that one picture takes."""

_BRIGHTNESS = (0.875, 1.125)
_CONTRAST = (0.5, 1.5)
_SATURATION = (0.5, 1.5)
_HUE = (-0.05, 0.05)  # turns
_PROBABILITY = 0.5

_ORDERS = np.array(list(itertools.permutations(range(3))), dtype=np.int64)  # the first one leaves channels as they are
_GREY = (0.2989, 0.587, 0.114)


def draw_colours(uniform: Uniform) -> tuple[Tensor, Tensor]:
    """Turns uniform numbers into the changes of every picture.

    Args:
        uniform: [N, NUMBERS], in [0, 1).

    Returns:
        Factors, float32 [N, 5]: brightness, contrast before saturation and hue, saturation, hue in turns, contrast
        after them. And the source of every output channel, int64 [N, 3].
    """
    brightness = _or_else(1, uniform[:, 0], uniform[:, 1], _BRIGHTNESS)
    contrast = _or_else(1, uniform[:, 2], uniform[:, 3], _CONTRAST)
    first = uniform[:, 4] < 0.5
    saturation = _or_else(1, uniform[:, 5], uniform[:, 6], _SATURATION)
    hue = _or_else(0, uniform[:, 7], uniform[:, 8], _HUE)

    factors = np.stack(
        [brightness, np.where(first, contrast, 1), saturation, hue, np.where(first, 1, contrast)], axis=1
    )
    orders = np.where(uniform[:, 9] < _PROBABILITY, (uniform[:, 10] * len(_ORDERS)).astype(np.int64), 0)
    return torch.from_numpy(factors.astype(np.float32)), torch.from_numpy(_ORDERS[orders])


def _or_else(neutral: float, chance: Uniform, uniform: Uniform, limits: tuple[float, float]) -> Uniform:
    """Returns numbers between the limits, with the step's probability, and the neutral one otherwise."""
    low, high = limits
    return np.where(chance < _PROBABILITY, low + (high - low) * uniform, neutral)


def change_colours(pictures: Tensor, factors: Tensor, orders: Tensor) -> Tensor:
    """Returns the changed pictures of one batch; of grey ones, brightness and contrast alone change.

    Args:
        pictures: float32 [B, C, H, W] in 0 … 1.
        factors: float32 [B, 5], as `draw_colours` makes them.
        orders: int64 [B, 3], likewise.
    """
    brightness, contrast_before, saturation, hue, contrast_after = factors.view(-1, 5, 1, 1, 1).unbind(1)

    pictures = (pictures * brightness).clamp(0, 1)
    pictures = _change_contrast(pictures, contrast_before)
    if pictures.shape[1] == 3:
        pictures = _blend(pictures, _grey(pictures), saturation)
        turned = hue.view(-1).nonzero().squeeze(1)  # the slowest step, so for those pictures alone that need it
        pictures = pictures.index_copy(0, turned, _turn_hue(pictures[turned], hue[turned]))
    pictures = _change_contrast(pictures, contrast_after)

    if pictures.shape[1] == 3:
        pictures = pictures.gather(1, orders.view(-1, 3, 1, 1).expand_as(pictures))
    return pictures


def _change_contrast(pictures: Tensor, factor: Tensor) -> Tensor:
    return _blend(pictures, _grey(pictures).mean(dim=(1, 2, 3), keepdim=True), factor)


def _blend(pictures: Tensor, other: Tensor, share: Tensor) -> Tensor:
    """Returns share · pictures + (1 − share) · other, cut to 0 … 1."""
    return torch.lerp(other.expand_as(pictures), pictures, share.expand_as(pictures)).clamp_(0, 1)


def _grey(pictures: Tensor) -> Tensor:
    """Returns the luminance, [B, 1, H, W]."""
    if pictures.shape[1] == 1:
        return pictures
    red, green, blue = (channel.unsqueeze(1) for channel in pictures.unbind(1))
    return _GREY[0] * red + _GREY[1] * green + _GREY[2] * blue


def _turn_hue(pictures: Tensor, turns: Tensor) -> Tensor:
    """Adds to the hue, saturation and value (HSV) being kept.

    Args:
        pictures: float32 [B, 3, H, W] in 0 … 1.
        turns: float32 [B, 1, 1, 1], parts of the circle.
    """
    red, green, blue = pictures.unbind(1)
    smallest, value = torch.aminmax(pictures, dim=1)
    chroma = value - smallest

    # The hue in sixths of the circle, by which channel is the largest; of grey pixels any will do.
    divisor = torch.where(chroma == 0, 1, chroma)
    from_blue = 4 + (red - green) / divisor
    from_green = 2 + (blue - red) / divisor
    from_red = (green - blue) / divisor
    sixths = torch.where(value == red, from_red, torch.where(value == green, from_green, from_blue))
    sixths = sixths + 6 * turns.view(-1, 1, 1)

    # Back, channel by channel: how far each lies below the value is a trapezium of the hue.
    start = pictures.new_tensor([5.0, 3.0, 1.0]).view(1, 3, 1, 1)
    place = (start + sixths.unsqueeze(1)).remainder(6)
    below = torch.minimum(place, 4 - place).clamp(0, 1)
    return value.unsqueeze(1) - chroma.unsqueeze(1) * below
