"""Keeps memory that tensors have freed in the process, where the C library would hand it back to the system.

A training step allocates and frees the same activations as the step before. glibc maps blocks above 32 MB anew each
time and trims its heap as soon as 32 to 64 MB at its end are free, so that every step has most of its pages mapped and
zeroed once more; `python -m benchmarks.step` shows what that costs. What a process keeps is what it has needed at its
peak.
"""

import ctypes
import functools

# malloc.h
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_LARGEST = 2**31 - 1


@functools.cache
def keep_freed_memory() -> bool:
    """Tells malloc to keep what is freed, from now on; once per process.

    Returns:
        False where the C library has no such setting (it is glibc's).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    return mallopt is not None and bool(mallopt(_M_MMAP_MAX, 0) and mallopt(_M_TRIM_THRESHOLD, _LARGEST))
