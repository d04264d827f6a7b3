"""The ledger frame: one row per metered interval, of one meter per campaign."""

import dataclasses
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pandas as pd

from analysis.frames import columns
from analysis.frames.groupby import groups, of_campaigns, rows_of
from analysis.frames.problem import Problem
from analysis.frames.row_frames import read_frame
from greenkd import records
from greenkd.records import UNMETERED, Phase, Source, meter_of
from greenkd.records.metering import PARTS, ModelledPower, OwnTerms, is_made_by, modelled_power

# What names a meter on a row. A campaign's rows all bear the values of its last meter.
_METER = ("meter", "method", "scope", "sensor", *(f"{part}_source" for part in PARTS))


@dataclasses.dataclass(frozen=True)
class _Times:
    """CPU seconds and seconds of a row."""

    cpu_s: float | None
    duration_s: float


def read_ledger(folders: dict[int, Path], problems: list[Problem], *, processes: int = 1) -> pd.DataFrame:
    """Reads the ledgers of all campaigns.

    Rows of a process's start have the phase of their own that greenkd 0.1 did not give them. Where several meters made
    a campaign's rows (it was resumed with another `energy=`), all are stated in terms of the last one, or lose their
    energy where that reads a sensor; `problems` says so.

    Args:
        folders: The campaigns' folders, by number.
        problems: Receives damaged files, and campaigns of several meters.
        processes: How many processes may read.
    """
    frame = read_frame(folders, "ledger.jsonl", records.LedgerRow, problems, columns.LEDGER, processes=processes)

    # A row that processed no images has no FLOPs to count: they are zero, not unknown.
    no_images = frame["images"] == 0
    for name in ("flops", "forward_flops"):
        frame.loc[no_images, name] = frame.loc[no_images, name].fillna(0.0)

    is_unmetered = [UNMETERED in (warnings or ()) for warnings in frame["warnings"]]
    frame.loc[is_unmetered, "phase"] = Phase.START_UP.value

    frame = _of_one_meter_each(frame, folders, problems)
    return _with_constant_part(frame).reindex(columns=list(columns.LEDGER))


def _with_constant_part(frame: pd.DataFrame) -> pd.DataFrame:
    """Adds the energy that is a constant wattage times seconds; missing where the energy is."""
    constant = pd.Series(0.0, index=frame.index)
    for part in PARTS:
        is_constant = frame[f"{part}_source"] == Source.CONSTANT.value
        constant += frame[f"{part}_kwh"].where(is_constant, 0.0).fillna(0.0)
    return frame.assign(constant_kwh=constant.where(frame["energy_kwh"].notna()))


def own_terms(ledger: pd.DataFrame) -> dict[int, OwnTerms]:
    """Returns in whose terms each campaign counts, as `greenkd.records.metering.own_terms` does for rows of a file.

    Args:
        ledger: Rows of the ledger frame, those of a campaign in the order of its file.
    """
    # A campaign's own meter is that of its last row with an energy, else of its last row.
    rows = ledger[["campaign"]].assign(meter=_meter_numbers(ledger), is_known=ledger["energy_kwh"].notna())
    last = rows.sort_values("is_known", kind="stable").drop_duplicates("campaign", keep="last").sort_values("campaign")
    own_meter = rows["campaign"].map(last.set_index("campaign")["meter"])
    is_own = rows["is_known"] & (rows["meter"] == own_meter)

    added = [*(f"{part}_kwh" for part in PARTS), "cpu_s", "duration_s"]
    sums = ledger.loc[is_own, ["campaign", *added]].groupby("campaign").sum().to_dict("index")
    return {row["campaign"]: _terms(row, sums.get(row["campaign"])) for row in rows_of(ledger.loc[last.index])}


def _meter_numbers(ledger: pd.DataFrame) -> "pd.Series[int]":
    """Returns a number for each row: the same where the same meter made it."""
    return ledger.groupby(list(_METER), sort=False, dropna=False).ngroup()


def _terms(last: dict[str, Any], sums: dict[Any, float] | None) -> OwnTerms:
    """Returns a campaign's terms, from its last row and the sums over the rows that the same meter made."""
    power = None
    if sums is not None:
        power = modelled_power(
            {part: {str(last[f"{part}_source"])} for part in PARTS},
            {part: float(sums[f"{part}_kwh"]) for part in PARTS},
            cpu_s=float(sums["cpu_s"]),
            duration_s=float(sums["duration_s"]),
        )
    intensity = float(last["intensity_g_per_kwh"])
    meter = _meter(SimpleNamespace(**last))
    return OwnTerms(meter, power, float(last["pue"]), None if math.isnan(intensity) else intensity)


def _meter(row: object) -> str:
    return meter_of(cast("records.LedgerRow", row))


def _is_made_by(row: "pd.Series[Any]", meter: str) -> bool:
    return is_made_by(cast("records.LedgerRow", row), meter)


def _of_one_meter_each(frame: pd.DataFrame, folders: dict[int, Path], problems: list[Problem]) -> pd.DataFrame:
    """States the rows of campaigns that several meters metered in terms of the last of them."""
    # The usual case costs nothing: all rows of a campaign bear the same names.
    campaigns = frame[["campaign"]].assign(meter=_meter_numbers(frame)).drop_duplicates()["campaign"]
    suspects = of_campaigns(frame, campaigns[campaigns.duplicated()])
    terms = own_terms(suspects)

    for (campaign,), rows in groups(suspects, ["campaign"]):
        own = terms[campaign]
        made_by_others = [row["status"] == "ok" and not _is_made_by(row, own.meter) for _, row in rows.iterrows()]
        is_other = pd.Series(made_by_others, rows.index)
        if not is_other.any():
            continue
        others = rows[is_other]
        meters = sorted({_meter(row) for _, row in others.iterrows()})
        frame = _restated(frame, others, own, like=rows[~is_other].iloc[-1])
        outcome = "their energy is converted to it, by time" if own.power else "their energy counts as unknown"
        count = f"{len(others)} of {len(rows)} rows were metered by {', '.join(meters)}"
        problems.append(Problem(str(folders[campaign]), f"{count}, the last one by {own.meter}: {outcome}"))
    return frame


def _restated(frame: pd.DataFrame, others: pd.DataFrame, own: OwnTerms, like: "pd.Series[Any]") -> pd.DataFrame:
    """Returns the frame with some rows in terms of another meter.

    Args:
        frame: The ledger frame.
        others: Its rows that other meters made.
        own: The meter.
        like: A row that it made, whose names the rows take over.
    """
    frame = frame.copy()
    for index, row in zip(others.index, rows_of(others), strict=True):
        parts = {part: _part_kwh(own.power, part, row) for part in PARTS}
        times = _Times(None if math.isnan(row["cpu_s"]) else row["cpu_s"], row["duration_s"])
        energy_kwh = own.power.energy_kwh(times) if own.power else None
        grams = None if energy_kwh is None else own.grams(energy_kwh)

        values = {f"{part}_kwh": kwh for part, kwh in parts.items()}
        values |= {"energy_kwh": _number(energy_kwh), "co2eq_g": _number(grams)}
        values |= {name: like[name] for name in (*_METER, "pue", "intensity_g_per_kwh", "intensity_source")}
        frame.loc[index, list(values)] = list(values.values())
    return frame


def _part_kwh(power: ModelledPower | None, part: str, row: dict[str, Any]) -> float:
    if power is None:
        return math.nan
    if part in power.per_cpu_s:
        return power.per_cpu_s[part] * float(row["cpu_s"])
    return power.per_s[part] * float(row["duration_s"]) if part in power.per_s else math.nan


def _number(value: float | None) -> float:
    return math.nan if value is None else value
