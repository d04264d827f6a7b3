"""What pieces of a training take, in CPU seconds and in seconds.

Both clocks are read before each step of a training, which ends when enough has been seen.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import NamedTuple

import torch

from greenkd.energy import Clock

# Seconds spent on timing one kind of piece, and the least number of repeats: of epochs, where they are short enough,
# else of steps.
PIECE_S = 3.0
EPOCHS, STEPS, WARM_UP = 3, 4, 3


class Work(NamedTuple):
    """What a piece of work takes."""

    cpu_s: float
    duration_s: float

    def __add__(self, other: object) -> "Work":
        if not isinstance(other, Work):
            return NotImplemented
        return Work(self.cpu_s + other.cpu_s, self.duration_s + other.duration_s)

    def times(self, factor: float) -> "Work":
        """Returns the work of so many pieces."""
        return Work(self.cpu_s * factor, self.duration_s * factor)


NO_WORK = Work(0.0, 0.0)


class Stopwatch:
    """Reads the clocks before each step of a training, and ends it when it has seen enough.

    Args:
        steps: Steps of an epoch.
        device: Where the training runs.

    Attributes:
        epochs: What whole epochs took, validation included.
        chunks: What single steps took, each entry the mean over some that follow each other.
    """

    def __init__(self, steps: int, device: torch.device) -> None:
        self._steps = steps
        self._read = partial(read, device)
        self._taken = 0
        self._chunk = self._epoch = self._read()
        self._chunk_at = 0
        self._started = self._chunk
        self.epochs: list[Work] = []
        self.chunks: list[Work] = []

    def before_step(self) -> bool:
        """Returns False once enough has been seen; called before every step."""
        step, done = self._taken % self._steps, self._taken
        self._taken += 1

        # An epoch ends where the next one begins.
        if step == 0:
            now = self._read()
            if done:
                self.epochs.append(between(self._epoch, now))
            self._epoch = self._chunk = now
            self._chunk_at = done

        if done < WARM_UP:
            self._started = self._chunk = self._read()
            self._chunk_at = done
            return True

        # Some steps make a chunk.
        elapsed = time.monotonic() - self._started.duration_s
        if step and time.monotonic() - self._chunk.duration_s > PIECE_S / 10:
            now = self._read()
            count = done - self._chunk_at
            if count:
                self.chunks.append(between(self._chunk, now).times(1 / count))
            self._chunk, self._chunk_at = now, done

        # Whole epochs are counted where they are short, else steps.
        short = elapsed / max(done - WARM_UP, 1) * self._steps * EPOCHS < 2 * PIECE_S
        enough = len(self.epochs) > EPOCHS if short else len(self.chunks) >= STEPS or done - WARM_UP >= 3 * STEPS
        return not (enough and elapsed >= PIECE_S)


def read(device: torch.device) -> Work:
    """Reads both clocks, once the device has done what it was given."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return Work(Clock().cpu_seconds(), time.monotonic())


def between(start: Work, end: Work) -> Work:
    """Returns what lies between two readings."""
    return Work(end.cpu_s - start.cpu_s, end.duration_s - start.duration_s)


@contextmanager
def timed(device: torch.device, into: list[Work]) -> Iterator[None]:
    """Appends what its block takes to a list."""
    start = read(device)

    yield

    into.append(between(start, read(device)))


def repeated(device: torch.device, passes: Callable[[int], Callable[[], object]], most: int) -> Work:
    """Repeats a piece for a while after a first time, which takes ever more of it until it is whole or long enough.

    Args:
        device: Where it runs.
        passes: Makes what runs so much of the piece.
        most: All of it.

    Returns:
        The cost of all of it, scaled up where a part alone was long enough.
    """
    part = max(most // 64, 1)
    while True:
        run, first = passes(part), list[Work]()
        with timed(device, first):
            run()
        if first[0].duration_s > PIECE_S:  # beside which what the first time adds is little
            return first[0].times(most / part)
        if part == most:
            break
        part = min(4 * part, most)

    taken: list[Work] = []
    started = time.monotonic()
    while not taken or time.monotonic() - started < PIECE_S / 4:
        with timed(device, taken):
            run()
    return mean(taken)


def total(works: Sequence[Work]) -> Work:
    """Returns the sum."""
    return Work(sum(work.cpu_s for work in works), sum(work.duration_s for work in works))


def mean(works: Sequence[Work]) -> Work:
    """Returns the mean of at least one."""
    return total(works).times(1 / len(works))
