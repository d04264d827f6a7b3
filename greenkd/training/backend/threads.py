"""How many CPU threads a training uses: a function of its setting alone, never of the machine.

Sums that are divided among threads are taken in another order: the number of threads changes the last bits of a
training, with depthwise convolutions those of a forward pass too. A number that followed the processor, or the trials
that run beside, would let one campaign have several results.
"""

import functools
import logging
import os
from typing import Literal

import torch

Threads = int | Literal["auto"]

# `python -m benchmarks.threads`: with less than this to do, a second thread costs more CPU seconds than it saves time.
FORWARD_FLOPS_PER_THREAD = 5e9
# More pay on few steps only, and what is wanted must not cost much on a machine of two CPUs either.
MOST_AUTO = 4

log = logging.getLogger(__name__)

# Before anything has set it: the CPUs, or OMP_NUM_THREADS.
_AT_START = torch.get_num_threads()


def available_threads() -> int:
    """Returns the threads this process may keep busy: the CPUs it is allowed on, or OMP_NUM_THREADS if that is less."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, _AT_START)


def resolve_threads(threads: Threads, forward_flops: float) -> int:
    """Returns the number of threads that a setting stands for.

    Args:
        threads: A number, or `auto`: as many as the arithmetic of a batch keeps busy, up to `MOST_AUTO`.
        forward_flops: FLOPs of one forward pass of a batch; what an objective adds does not count.
    """
    if threads == "auto":
        return max(min(int(forward_flops // FORWARD_FLOPS_PER_THREAD), MOST_AUTO), 1)
    return threads


def differing_threads(threads: Threads, forward_flops: float) -> int | None:
    """Returns the number of threads where it is another than `auto` stands for, as a part of what is hashed."""
    number = resolve_threads(threads, forward_flops)
    return None if number == resolve_threads("auto", forward_flops) else number


def use_threads(threads: Threads, forward_flops: float) -> int:
    """Sets the number of threads for what follows, and says so once where there are fewer CPUs.

    Args:
        threads: As for `resolve_threads`.
        forward_flops: As for `resolve_threads`.

    Returns:
        The number set.
    """
    number = resolve_threads(threads, forward_flops)
    if number > available_threads():
        _name_shortage(number)
    torch.set_num_threads(number)
    return number


@functools.cache
def _name_shortage(number: int) -> None:
    log.info(
        "  %d threads share %d of this machine's CPUs: their number is part of the result, so it stays; "
        "threads=<fewer> would be another campaign",
        number,
        available_threads(),
    )
