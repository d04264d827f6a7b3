"""How the figures of one campaign were made: its meters, their sources, PUE and carbon intensity."""

import functools
import math
from typing import Any

import pandas as pd

from analysis.frames.groupby import joined
from greenkd.records import Phase

# What stands in a campaign's row where it has no ledger.
NO_METER = {
    "meter": "no ledger",
    "method": "none",
    "scope": "",
    "sources": "",
    "pue": math.nan,
    "intensity_g_per_kwh": math.nan,
    "intensity_source": "",
}


_PARTS = ("cpu_source", "gpu_source", "ram_source")
_NAMES = (*_PARTS, "meter", "method", "scope", "intensity_source")
_NUMBERS = ("pue", "intensity_g_per_kwh")


def meters_by_campaign(ledger: pd.DataFrame) -> dict[int, dict[str, Any]]:
    """Returns what made the figures of each campaign that has a ledger; the keys are those of `NO_METER`."""
    # Rows of a process's start are mostly made up from the others; they say nothing about the meter.
    is_metered = ledger["phase"] != Phase.START_UP.value
    has_metered = ledger["campaign"].isin(ledger.loc[is_metered, "campaign"].unique())
    kept = ledger.loc[is_metered | ~has_metered, ["campaign", *_NAMES, *_NUMBERS]]

    # Of hundreds of rows of a campaign, all say the same as a rule, and so do thousands of campaigns.
    distinct: dict[int, list[tuple[Any, ...]]] = {}
    for campaign, *values in kept.drop_duplicates().itertuples(index=False, name=None):
        distinct.setdefault(campaign, []).append(tuple(values))
    return {campaign: _meter(tuple(rows)) for campaign, rows in sorted(distinct.items())}


@functools.lru_cache(maxsize=256)
def _meter(said: tuple[tuple[Any, ...], ...]) -> dict[str, Any]:
    """Returns what made a campaign's figures, from what its rows say in the columns of names and numbers."""
    rows = [dict(zip((*_NAMES, *_NUMBERS), values, strict=True)) for values in said]
    values = {name: joined((str(row[name]) for row in rows), " + ") for name in _NAMES}
    return {
        "meter": values["meter"],
        "method": values["method"],
        "scope": values["scope"],
        "sources": ", ".join(f"{part.removesuffix('_source')} {values[part]}" for part in _PARTS),
        **{name: _single_value({row[name] for row in rows}) for name in _NUMBERS},
        "intensity_source": values["intensity_source"],
    }


def _single_value(values: set[float]) -> float:
    """Returns the value that all rows share, NaN where they differ."""
    return float(next(iter(values))) if len(values) == 1 else math.nan
