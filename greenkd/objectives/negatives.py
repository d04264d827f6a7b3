"""Random integers as a function of seed, epoch and sample, computed on the device: CRD's choice of negatives."""

import torch
from torch import Tensor

from greenkd.sample_hash import WORD, mix, sample_words


def draw_integers(indices: Tensor, population: Tensor, count: int, *, seed: int, epoch: int) -> Tensor:
    """Draws `count` integers per sample, uniform, with replacement.

    The numbers are hashes of (seed, epoch, sample, position), as `greenkd.sample_hash` explains.

    Args:
        indices: [B] int64, positions of the samples in the training split, below 2³².
        population: [B] int64, how many integers there are to choose from: at least 1, below 2³¹.
        count: Draws per sample.
        seed: Seed of the training; stream "objective".
        epoch: Zero-based epoch.

    Returns:
        [B, count] int64; row i lies in [0, population[i]).
    """
    rows = sample_words(indices, seed=seed, stream="objective", epoch=epoch)
    words = mix((rows[:, None] + torch.arange(count, device=indices.device)) & WORD)
    return (words * population[:, None]) >> 32
