"""How the figures of one campaign were made: its meters, their sources, PUE and carbon intensity."""

import math
from typing import Any

import pandas as pd

from analysis.frames.groupby import groups, joined
from greenkd.records import UNMETERED

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


def meters_by_campaign(ledger: pd.DataFrame) -> dict[int, dict[str, Any]]:
    """Returns what made the figures of each campaign that has a ledger; the keys are those of `NO_METER`."""
    return {campaign: _meter(rows) for (campaign,), rows in groups(ledger, ["campaign"])}


def _meter(rows: pd.DataFrame) -> dict[str, Any]:
    # Rows that no meter made are shares of a command's start-up; they say nothing about the meter.
    metered = rows[[UNMETERED not in (warnings or ()) for warnings in rows["warnings"]]]
    rows = metered if len(metered) else rows

    sources = [f"{part} {_all_values(rows[f'{part}_source'])}" for part in ("cpu", "gpu", "ram")]
    return {
        "meter": _all_values(rows["meter"]),
        "method": _all_values(rows["method"]),
        "scope": _all_values(rows["scope"]),
        "sources": ", ".join(sources),
        "pue": _single_value(rows["pue"]),
        "intensity_g_per_kwh": _single_value(rows["intensity_g_per_kwh"]),
        "intensity_source": _all_values(rows["intensity_source"]),
    }


def _all_values(column: "pd.Series[Any]") -> str:
    return joined((str(value) for value in set(column.tolist())), " + ")


def _single_value(column: "pd.Series[Any]") -> float:
    """Returns the value that all rows share, NaN where they differ."""
    values = set(column.tolist())
    return float(values.pop()) if len(values) == 1 else math.nan
