"""Random numbers per sample as hashes of (seed, stream, epoch, sample), computed on the device.

A generator would have a state to keep, and CPU and GPU generators disagree. A hash has no state, is the same on every
device, and does not depend on the batch that the sample is in.
"""

from torch import Tensor

from greenkd.streams import Stream, stream_seed

WORD = 0xFFFFFFFF


def sample_words(indices: Tensor, *, seed: int, stream: Stream, epoch: int) -> Tensor:
    """Returns one 32-bit word per sample, held in int64.

    Args:
        indices: [n] int64, positions of the samples in the training split, below 2³².
        seed: Seed of the training.
        stream: What the numbers are for.
        epoch: Zero-based epoch.
    """
    key = stream_seed(seed, stream, epoch)
    return mix(indices ^ (key & WORD)) ^ (key >> 32)


def mix(words: Tensor) -> Tensor:
    """Scrambles 32-bit words held in int64 (a bijection; constants of Wellons' hash-prospector, bias 0.11).

    Both constants are below 2³¹, so that no product leaves int64.
    """
    words = ((words ^ (words >> 16)) * 0x21F0AAAD) & WORD
    words = ((words ^ (words >> 15)) * 0x735A2D97) & WORD
    return words ^ (words >> 15)
