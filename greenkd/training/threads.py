"""How many CPU threads a training uses.

Splitting a tiny step between threads costs more than it saves, and on a busy machine the waiting threads burn CPU
seconds without doing work: a digits-size student took twelve times the CPU time on two threads of a loaded machine.
"""

import functools
import os
from typing import Literal

import torch

from greenkd.errors import ConfigError

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


def processes_for(parallel_trials: int | Literal["auto"], trials: int, device: str) -> int:
    """Returns how many processes share a campaign's trials.

    Args:
        parallel_trials: The setting.
        trials: How many the campaign has.
        device: Where they run.

    Raises:
        ConfigError: More than one is asked for on a GPU.
    """
    if device != "cpu":
        if parallel_trials not in ("auto", 1):
            raise ConfigError(
                f"training.parallel_trials={parallel_trials}: on {device} one process runs all trials; for several "
                "GPUs start the same command once for each, device=cuda:0, device=cuda:1, ...: they share the trials"
            )
        return 1
    return min(available_threads() if parallel_trials == "auto" else parallel_trials, trials)
