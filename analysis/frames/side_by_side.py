"""Work on thousands of campaigns in several processes, with the results that one process would give, in its order."""

import functools
import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

FEWEST_CAMPAIGNS = 600  # processes take two seconds to start, which fewer do not save
_MOST = 8  # processes, each of which holds what it reads
_PARTS_PER_PROCESS = 12  # so that none waits long for the last one


def usable_processes() -> int:
    """Returns how many processes may run at once here: one for each CPU that this one may use, eight at most."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, _MOST)


def mapped(
    function: Callable[[Sequence[Item]], Result], items: Sequence[Item], *, campaigns: int, processes: int
) -> Iterator[Result]:
    """Calls a function with parts of a list, side by side where the campaigns are many, and yields in their order.

    Args:
        function: What is called with some of the items; the start methods of processes ask for one that has a name.
        items: What is worked on.
        campaigns: How many campaigns the items stand for.
        processes: How many processes may work; one works in this process, on all items at once.
    """
    if processes < 2 or campaigns < FEWEST_CAMPAIGNS or len(items) < 2:
        yield function(items)
        return

    size = -(-len(items) // (_PARTS_PER_PROCESS * processes))
    parts = [items[start : start + size] for start in range(0, len(items), size)]
    yield from _pool(processes).map(function, parts)


@functools.cache
def _pool(processes: int) -> ProcessPoolExecutor:
    """Returns processes that stay until this one ends, as each takes a second to start.

    They are started anew, since a fork of this process would take over its threads' locks.
    """
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, context, initializer=_depend_on_the_first_process)


def _depend_on_the_first_process() -> None:
    """Leaves Ctrl-C, which a terminal sends to all processes, to the first one, and ends where that one was killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_the_first_process, daemon=True).start()


def _end_with_the_first_process() -> None:
    first = multiprocessing.parent_process()
    if first is not None:
        first.join()
        os._exit(1)
