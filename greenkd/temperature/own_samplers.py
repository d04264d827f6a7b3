"""Samplers of our own beside Optuna's: imported where a search names one, and what they are told and asked.

They need scipy and scikit-learn, whose import takes longer than all else that listing a thousand campaigns does.
"""

import importlib
import math
from collections.abc import Callable, Iterable, Mapping
from typing import Protocol, runtime_checkable

from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from greenkd.records import TrialRow

_CLASSES = {"cmaes": "SafeCmaEsSampler", "gp_per_kwh": "GpPerKwh"}  # by module of this package and `sampler`


@runtime_checkable
class ChecksState(Protocol):
    """A sampler that keeps something in the study, which may be damaged."""

    def find_problem(self, trials: Iterable[FrozenTrial]) -> str | None:
        """Returns what is wrong with the state that a trial keeps; None if all are sound."""
        ...


@runtime_checkable
class WeighsEnergy(Protocol):
    """A sampler that goes by what trials took.

    Attributes:
        energy_kwh: What complete trials took, by our number; those that are missing are unknown.
    """

    energy_kwh: Mapping[int, float]


def own_sampler(name: str) -> Callable[..., BaseSampler] | None:
    """Returns the class of a sampler of our own; None where the name is one of Optuna's.

    Args:
        name: As in `sampler=<name>`.
    """
    if name not in _CLASSES:
        return None
    sampler: type[BaseSampler] = getattr(importlib.import_module(f"{__package__}.{name}"), _CLASSES[name])
    return sampler


def energy_by_trial(rows: Iterable[TrialRow]) -> dict[int, float]:
    """Returns what the attempts on record at each trial took, in kWh; a trial of which one is unknown is left out.

    Args:
        rows: Of `trials.jsonl`, in the order of the file. An attempt that was killed has none, and does not count.
    """
    attempts = {(row.trial, row.attempt): row.energy_kwh for row in rows}
    totals: dict[int, float] = {}
    for (trial, _), energy_kwh in attempts.items():
        totals[trial] = totals.get(trial, 0.0) + (math.nan if energy_kwh is None else energy_kwh)
    return {trial: total for trial, total in totals.items() if not math.isnan(total)}
