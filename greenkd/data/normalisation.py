"""From bytes to the numbers a network sees."""

import functools

import torch
from torch import Tensor


def normalise(images: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Scales pixels to [0, 1], subtracts the channel's mean and divides by its standard deviation.

    Args:
        images: uint8 [B, C, H, W].
        mean: Per channel, in units of [0, 1].
        std: Per channel, in units of [0, 1].

    Returns:
        float32 [B, C, H, W]: (images / 255 - mean) / std, on the device of `images`.
    """
    scale, shift = affine(mean, std, images.device)
    return images.float().mul_(scale).add_(shift)


def channel_statistics(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Computes mean and standard deviation of every channel over all pixels of all images.

    Worked out from counts of the 256 values, so the result does not depend on the machine's order of summation. A
    channel that is constant gets standard deviation 1, so that it can be divided by.

    Args:
        images: uint8 [N, C, H, W].

    Returns:
        Means and standard deviations, C each, in units of [0, 1].
    """
    values = torch.arange(256, dtype=torch.float64)
    means, stds = [], []
    for channel in images.unbind(1):
        counts = torch.bincount(channel.reshape(-1), minlength=256).cpu().double()
        share = counts / counts.sum()

        mean = float((share * values).sum())
        variance = float((share * (values - mean) ** 2).sum())

        means.append(mean / 255)
        stds.append(variance**0.5 / 255 if variance > 0 else 1.0)

    return tuple(means), tuple(stds)


@functools.lru_cache(maxsize=16)
def affine(mean: tuple[float, ...], std: tuple[float, ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Returns factor and summand, float32 [C, 1, 1] each, that take a byte to its normalised value."""
    # Kept per device: copying two tiny tensors to a GPU for every batch would make it wait every time.
    scale = torch.tensor([1 / (255 * s) for s in std], device=device).view(-1, 1, 1)
    shift = torch.tensor([-m / s for m, s in zip(mean, std, strict=True)], device=device).view(-1, 1, 1)
    return scale, shift
