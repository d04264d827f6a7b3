"""Clean stops: Ctrl-C, SIGTERM (Slurm's pre-emption) and a lost terminal end a training within one step.

A checkpoint is written first.
"""

import logging
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from greenkd.errors import TrainingInterruptedError
from greenkd.locks import Lock
from greenkd.stops import stop_signals

log = logging.getLogger(__name__)

# Seconds between two looks at the flag while another process holds a lock.
_POLL_S = 0.5


class StopFlag:
    """Set by a signal, asked by the training loop between two steps."""

    def __init__(self) -> None:
        self._signal: str | None = None

    def set(self, name: str) -> None:
        """Asks for a stop."""
        self._signal = name

    def check(self) -> None:
        """Raises if a stop was asked for.

        Raises:
            TrainingInterruptedError: A signal came in since the flag was made.
        """
        if self._signal is not None:
            raise TrainingInterruptedError(f"stopped by {self._signal}", self._signal)


@contextmanager
def holding(lock: Lock, stop: StopFlag, waiting: str | None = None) -> Iterator[None]:
    """Waits for a lock that another process may hold for long, and holds it for the block.

    Args:
        lock: The lock.
        stop: Asked while waiting.
        waiting: Said once if there is something to wait for; None: nothing is said.

    Raises:
        TrainingInterruptedError: A stop was asked for while waiting.
    """
    said = False
    while True:
        stop.check()
        if lock.acquire(_POLL_S):
            break
        if waiting is not None and not said:
            log.info("%s", waiting)
        said = True
    try:
        yield
    finally:
        lock.release()


@contextmanager
def stop_on_signals() -> Iterator[StopFlag]:
    """Turns the first SIGINT, SIGTERM or SIGHUP into a flag; the second one acts as it did before."""
    flag = StopFlag()
    watched = stop_signals()
    previous = {number: signal.getsignal(number) for number in watched}

    def on_signal(number: int, frame: FrameType | None) -> None:
        flag.set(signal.Signals(number).name)
        for watched_number, handler in previous.items():
            signal.signal(watched_number, handler)

    for number in watched:
        signal.signal(number, on_signal)
    try:
        yield flag
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
