"""Randomness as a function: every random stream is seeded from (seed, stream name, epoch), never carried as state.

Therefore all trials of a campaign share initial weights, data order and augmentation (common random numbers), a
resumed run equals an uninterrupted one, and the temperature of any batch can be recomputed from seed and step alone.
"""

import hashlib
from typing import Literal

import numpy as np

Stream = Literal[
    "init",
    "order",
    "augmentation",
    "temperature",
    "dropout",
    "split",
    "sampler",
    "objective",
    "inputs",
    "trial_order",
    "restart",
    "synthesis",
]


def stream_seed(seed: int, stream: Stream, epoch: int = 0) -> int:
    """Returns the seed of one stream in one epoch.

    Args:
        seed: The campaign's (or teacher's) seed.
        stream: What the random numbers are for.
        epoch: Zero-based epoch, or any other counter of the stream (the trial number for `sampler`).

    Returns:
        An integer in [0, 2**63), the same on every platform.
    """
    digest = hashlib.sha256(f"greenkd/{seed}/{stream}/{epoch}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def numpy_stream(seed: int, stream: Stream, epoch: int = 0) -> np.random.Generator:
    """Returns a NumPy generator at the start of one stream in one epoch; arguments as for `stream_seed`."""
    # Philox is specified bit for bit, so the same numbers come out on every platform and NumPy version.
    return np.random.Generator(np.random.Philox(stream_seed(seed, stream, epoch)))
