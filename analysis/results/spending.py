"""What costs are counted in: joules where a sensor was read, else CPU seconds and FLOPs.

Without a sensor joules are a model: a wattage times CPU seconds, and mostly a constant times wall-clock time, which
tells how long the machine was on and nothing of what was computed.
"""

import math
from collections.abc import Iterable

import pandas as pd

from analysis.frames import columns
from greenkd.records import Source

_READ = (Source.MEASURED.value, Source.SIMULATED.value)  # a simulated sensor stands in for one
_WITHOUT_SENSOR = ("cpu_s", "energy_kwh", "duration_s")

# How a multiple of each cost is spoken of.
_WORDS = {
    "energy_kwh": "energy",
    "cpu_s": "CPU seconds",
    "duration_s": "seconds",
    "flops": "FLOPs",
}


def has_sensor(meters: Iterable[str]) -> bool:
    """Tells whether a sensor was read for every run.

    Args:
        meters: The `meter` of each run, as `run_rows.meter_text` writes it; at its end stands where figures come from.
    """
    origins = [meter.rpartition(";")[2] for texts in meters for meter in texts.split(" | ")]
    return all(any(word in origin for word in _READ) for origin in origins)


def spending_order(meters: Iterable[str]) -> tuple[str, ...]:
    """Returns the columns of costs that may be counted in, the first choice first."""
    return tuple(columns.SPENDING) if has_sensor(meters) else _WITHOUT_SENSOR


def spending_basis(meters: Iterable[str], costs: pd.DataFrame, *, prefix: str = "", of_all: bool = True) -> str | None:
    """Returns the column that costs are counted in; None where none is known.

    Args:
        meters: The `meter` of each run.
        costs: A frame with the columns of costs.
        prefix: What stands before the name of each column.
        of_all: Every row has to have it; otherwise one is enough.
    """
    for name in spending_order(meters):
        is_known = costs[f"{prefix}{name}"].notna()
        if is_known.all() if of_all else is_known.any():
            return name
    return None


def in_words(cost: str) -> str:
    """Returns what a multiple of a cost is a multiple of."""
    return _WORDS[cost]


def constant_share(energy_kwh: float, constant_kwh: float) -> float:
    """Returns the share of an energy that is a constant wattage times seconds; NaN where unknown."""
    return constant_kwh / energy_kwh if energy_kwh > 0 else math.nan
