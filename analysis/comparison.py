"""The comparison table: per setting and strategy, what was got and what was paid, over seeds."""

import dataclasses
import math
from typing import Any

import pandas as pd

from analysis import columns
from analysis.frames import groups, joined, rows_of
from analysis.loading import Sweep
from analysis.runs import strategy_runs
from greenkd.records import StrategyKind

MULTIPLES = ("energy_kwh", "co2eq_g", "flops", "duration_s", "cpu_s")


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The table, one row per setting and strategy, and the runs behind it (one row per seed)."""

    table: pd.DataFrame
    runs: pd.DataFrame
    notes: dict[str, list[str]]  # by setting_id


def compare(sweep: Sweep, *, baseline: str = "stochastic", mix_meters: bool = False) -> Comparison:
    """Means, standard deviations and multiples per setting and strategy.

    Multiples are ratios of mean tuning costs over the seeds that both strategies have. Energy and grams of rows that
    different meters or methods made are not set in one ratio unless `mix_meters` says so.

    Args:
        sweep: What to compare.
        baseline: The strategy (its label, or its kind) that the first multiple refers to.
        mix_meters: Set rows of different meters in one ratio all the same.
    """
    runs = strategy_runs(sweep)
    rows: list[dict[str, Any]] = []
    notes: dict[str, list[str]] = {}
    for key, setting in groups(runs, columns.SETTING):
        found = {label: group for (label,), group in groups(setting, ["strategy"], sort=False)}
        references = {
            "baseline": _reference(setting, baseline),
            "fixed": _reference(setting, StrategyKind.FIXED.value),
        }
        setting_rows = [
            _row(label, group, found=found, references=references, mix_meters=mix_meters, price=sweep.pricing.price)
            for label, group in found.items()
        ]
        rows.extend(setting_rows)
        names = dict(zip(columns.SETTING, key, strict=True))
        notes[names["setting_id"]] = _notes(setting, references, baseline, mix_meters)
    return Comparison(pd.DataFrame(rows), runs, notes)


def _reference(setting: pd.DataFrame, wanted: str) -> str | None:
    for name in ("strategy", "kind"):
        matching = setting.loc[setting[name] == wanted, "strategy"]
        if len(matching):
            return str(matching.iloc[0])
    return None


def _row(
    label: str,
    group: pd.DataFrame,
    *,
    found: dict[str, pd.DataFrame],
    references: dict[str, str | None],
    mix_meters: bool,
    price: float | None,
) -> dict[str, Any]:
    first = group.iloc[0]
    row: dict[str, Any] = {name: first[name] for name in columns.SETTING}
    row |= {
        "strategy": label,
        "kind": first["kind"],
        "origin": first["origin"],
        "seeds": len(group),
        "complete_seeds": int(group["complete"].sum()),
        "trials": int(group["complete_trials"].sum()),
        "planned_trials": int(group["planned_trials"].sum()),
        "trials_per_seed": int(group["planned_trials"].max()),
        "attempts": int(group["attempts"].sum()),
        "killed_attempts": int(group["killed"].sum()),
        "chosen_taus": tuple(group["chosen_tau"]),
    }
    for name in ("val_accuracy", "test_accuracy"):
        known = group[name].dropna()
        row[f"{name}_mean"] = known.mean()
        row[f"{name}_sd"] = known.std() if len(known) > 1 else math.nan
        row[f"{name}_seeds"] = len(known)
    for part in ("tuning", "final"):
        for name in columns.COST_COLUMNS:
            row[f"{part}_{name}"] = group[f"{part}_{name}"].mean(skipna=False)
    row["tuning_money"] = (
        math.nan if price is None else (group["tuning_energy_kwh"] * group["pue"] * price).mean(skipna=False)
    )
    for reference, other in references.items():
        theirs = found[other] if other is not None else None
        for name in MULTIPLES:
            row[f"{name}_x_{reference}"] = (
                math.nan if theirs is None else _multiple(group, theirs, name, mix_meters=mix_meters)
            )
    for name in MULTIPLES:  # the teacher's ledger is not in the sweep: its meter is not known, its machine may differ
        row[f"{name}_x_teacher"] = _ratio(group[f"tuning_{name}"], group[f"teacher_{name}"])
    row["meter"] = joined(group["meter"])
    row["carbon"] = joined(group["carbon"])
    row["processor"] = joined(group["processor"])
    return row


def _multiple(ours: pd.DataFrame, theirs: pd.DataFrame, name: str, *, mix_meters: bool) -> float:
    seeds = set(ours["seed"]) & set(theirs["seed"])
    ours, theirs = ours[ours["seed"].isin(seeds)], theirs[theirs["seed"].isin(seeds)]
    both = pd.concat([ours, theirs])
    comparable = True
    if name in ("energy_kwh", "co2eq_g"):
        comparable = both["meter"].nunique() <= 1
    if name == "co2eq_g":
        comparable = comparable and both["carbon"].nunique() <= 1
    if not seeds or not (comparable or mix_meters):
        return math.nan
    return _ratio(ours[f"tuning_{name}"], theirs[f"tuning_{name}"])


def _ratio(above: "pd.Series[float]", below: "pd.Series[float]") -> float:
    divisor = below.mean(skipna=False)
    return float(above.mean(skipna=False) / divisor) if divisor > 0 else math.nan


def _notes(setting: pd.DataFrame, references: dict[str, str | None], baseline: str, mix_meters: bool) -> list[str]:
    notes = []
    if references["baseline"] is None:
        there = ", ".join(sorted(set(setting["strategy"])))
        notes.append(f"no campaign of {baseline!r} here, so no multiples of it; there are: {there}")
    if references["fixed"] is None:
        notes.append("no fixed-τ control: add temperature=fixed (one training per seed)")
    elif (setting["origin"] == "from grid").any():
        notes.append("the fixed-τ row is one trial of the grid: its cost is that training's, without any start-up")
    if (setting["origin"] == "swept").any():
        notes.append("grid (swept): `fixed` campaigns that differ in τ only, their costs added up, logits paid once")
    seeds = {label: set(group["seed"]) for (label,), group in groups(setting, ["strategy"])}
    every = set.union(*seeds.values())
    for label, own in seeds.items():
        if own != every:
            notes.append(f"{label}: no seed {', '.join(str(seed) for seed in sorted(every - own))}")
    for row in rows_of(setting[~setting["complete"].astype(bool)]):
        test = "" if not math.isnan(row["test_accuracy"]) else ", test not opened yet"
        count = f"{row['complete_trials']} of {row['planned_trials']} trials complete"
        notes.append(f"{row['strategy']}, seed {row['seed']}: {count}{test}")
    if setting["meter"].nunique() > 1:
        kept = "compared all the same (--mix-meters)" if mix_meters else "not compared (--mix-meters compares them)"
        notes.append(f"rows come from different meters or methods: their energy is {kept}")
    elif setting["carbon"].nunique() > 1:
        notes.append("rows use different PUE or carbon intensity: their grams are not compared; re-price them")
    if setting["processor"].nunique() > 1:
        notes.append(f"rows come from different machines: {joined(setting['processor'])}")
    return notes
