"""Random integers as a function of seed, epoch and sample, computed on the device: CRD's choice of negatives."""

import torch
from torch import Tensor

from greenkd.streams import stream_seed

_WORD = 0xFFFFFFFF


def draw_integers(indices: Tensor, population: Tensor, count: int, *, seed: int, epoch: int) -> Tensor:
    """Draws `count` integers per sample, uniform, with replacement.

    A generator would have a state to keep, and CPU and GPU generators disagree. These numbers are hashes of (seed,
    epoch, sample, position): no state, the same on every device, whatever batch the sample is in.

    Args:
        indices: [B] int64, positions of the samples in the training split, below 2³².
        population: [B] int64, how many integers there are to choose from: at least 1, below 2³¹.
        count: Draws per sample.
        seed: Seed of the training; stream "objective".
        epoch: Zero-based epoch.

    Returns:
        [B, count] int64; row i lies in [0, population[i]).
    """
    key = stream_seed(seed, "objective", epoch)

    rows = _mix(indices ^ (key & _WORD)) ^ (key >> 32)
    words = _mix((rows[:, None] + torch.arange(count, device=indices.device)) & _WORD)
    return (words * population[:, None]) >> 32


def _mix(words: Tensor) -> Tensor:
    """Scrambles 32-bit words held in int64 (a bijection; constants of Wellons' hash-prospector, bias 0.11).

    Both constants are below 2³¹, so that no product leaves int64.
    """
    words = ((words ^ (words >> 16)) * 0x21F0AAAD) & _WORD
    words = ((words ^ (words >> 15)) * 0x735A2D97) & _WORD
    return words ^ (words >> 15)
