"""When Python's garbage collector looks: hardly while a process starts, as ever once it trains.

Importing torch, optuna and pandas and composing configurations make objects by the hundred thousand, all of which
stay. With Python's own thresholds the collector goes through them again and again and finds nothing.
"""

import atexit
import functools
import gc

_RARE = 1_000_000
_normal = gc.get_threshold()


def collect_rarely() -> None:
    """Collects only once a million objects have been made since the last time."""
    gc.set_threshold(_RARE)


def collect_no_more() -> None:
    """Leaves all objects to the end of the process, which is near: Python would look through them twice before it."""
    gc.freeze()


@functools.cache
def collect_normally() -> None:
    """Goes back to Python's own thresholds, once.

    Objects that are there by now are taken out of the collector's sight until the process ends.
    """
    gc.freeze()
    atexit.register(gc.unfreeze)  # or nanobind, which Triton is built with, reports every object as leaked
    gc.set_threshold(*_normal)
