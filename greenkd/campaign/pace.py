"""How fast a training goes, in words: beside its progress bar, or in a line now and then where there is no terminal."""

import dataclasses
import time

from greenkd.records import EpochRow

LINE_EVERY_S = 60.0
"""Seconds between two lines on trainings, where no bar can be drawn."""


@dataclasses.dataclass
class Pace:
    """The epochs of one training as they come.

    Attributes:
        description: Strategy, trial, τ.
        epochs: How many it will have.
        images: Training images in each.
        has_tau: The description says τ; where it is drawn or learned, each epoch's mean is said instead.
    """

    description: str
    epochs: int
    images: int
    has_tau: bool
    _started: float = dataclasses.field(default_factory=time.monotonic)
    _made_here: int = 0  # epochs, those of earlier attempts left out

    def state(self, row: EpochRow) -> str:
        """Returns what an epoch says: its number, the validation score, τ where it varies, and the speed."""
        words = [f"epoch {row.epoch + 1}/{self.epochs}"]
        if row.val_score is not None:
            words.append(f"validation {100 * row.val_score:.2f} %")
        if not self.has_tau and row.tau_mean is not None:
            words.append(f"mean τ {row.tau_mean:.3g}")
        if row.duration_s > 0:
            words.append(f"{_short(self.images / row.duration_s)} images/s")
        return ", ".join(words)

    def line(self, row: EpochRow) -> str:
        """Returns the same with the training's name, and the time it will still take."""
        self._made_here += 1
        left = self.epochs - row.epoch - 1
        left_s = left * (time.monotonic() - self._started) / self._made_here
        return f"{self.description}: {self.state(row)}" + (f", about {_time(left_s)} left" if left else "")


def _short(number: float) -> str:
    return f"{number:,.0f}" if number >= 10 else f"{number:.2g}"


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
