"""Clean stops: Ctrl-C and SIGTERM (Slurm's pre-emption) end a training within one step, with a checkpoint written."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from greenkd.errors import GreenkdError


class TrainingInterruptedError(GreenkdError):
    """A signal asked for a stop; everything up to the last step is on disk."""


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
            raise TrainingInterruptedError(f"stopped by {self._signal}")


@contextmanager
def stop_on_signals() -> Iterator[StopFlag]:
    """Turns the first SIGINT or SIGTERM into a flag; the second one acts as it always did."""
    flag = StopFlag()
    watched = (signal.SIGINT, signal.SIGTERM)
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
