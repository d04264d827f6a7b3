"""Rungs: where trainings pause until it is decided which of them go on."""

from collections.abc import Sequence
from typing import NamedTuple


class Rung(NamedTuple):
    """A point at which trainings pause; the last one is their end.

    Attributes:
        epochs: Epochs of a training that has come so far.
        trials: How many are to come so far.
    """

    epochs: int
    trials: int


def total_epochs(rungs: Sequence[Rung]) -> int:
    """Returns the epochs of all trainings together."""
    begins = [0, *(rung.epochs for rung in rungs)]
    return sum(rung.trials * (rung.epochs - begin) for rung, begin in zip(rungs, begins, strict=False))
