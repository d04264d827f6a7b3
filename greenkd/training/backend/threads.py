"""How many CPU threads a training uses.

Splitting a tiny step between threads costs more than it saves, and on a busy machine the waiting threads burn CPU
seconds without doing work: a digits-size student took twelve times the CPU time on two threads of a loaded machine.
"""

import functools
import os
from typing import Literal

import torch

# A step with less arithmetic than this per thread does not pay for waking the thread up.
FLOPS_PER_THREAD = 2e9


@functools.cache
def available_threads() -> int:
    """Returns the threads this process may use: the CPUs it is allowed on, or fewer if OMP_NUM_THREADS says so."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, torch.get_num_threads())


def use_threads(threads: int | Literal["auto"], step_flops: float, processes: int = 1) -> int:
    """Sets the number of threads for what follows.

    The number changes the last bits of a training (sums over a batch are taken in another order), not of a forward
    pass in evaluation mode.

    Args:
        threads: A number, or `auto`: as many as the step's arithmetic keeps busy.
        step_flops: FLOPs of one training step.
        processes: Trainings that run side by side and divide the CPUs, this one included.

    Returns:
        The number set.
    """
    if threads == "auto":
        number = max(min(int(step_flops // FLOPS_PER_THREAD), available_threads() // processes), 1)
    else:
        number = threads
    torch.set_num_threads(number)
    return number
