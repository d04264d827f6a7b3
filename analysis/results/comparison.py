"""The comparison table: per setting and strategy, what was got and what was paid, over seeds."""

import dataclasses
import math
import statistics
from typing import Any

import pandas as pd

from analysis.frames import columns
from analysis.frames.groupby import groups, joined, rows_of
from analysis.frames.load import Sweep
from analysis.results.paired_tests import ratio_interval
from analysis.results.strategy_runs import strategy_runs
from greenkd.records import Source, StrategyKind

Run = dict[str, Any]  # one row of the runs frame
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
        found: dict[str, list[Run]] = {}
        for run in rows_of(setting):
            found.setdefault(run["strategy"], []).append(run)
        references = {
            "baseline": _reference(setting, baseline),
            "fixed": _reference(setting, StrategyKind.FIXED.value),
        }
        rows.extend(
            _row(
                label,
                group,
                found=found,
                references=references,
                mix_meters=mix_meters,
                price=sweep.pricing.price,
            )
            for label, group in found.items()
        )
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
    runs: list[Run],
    *,
    found: dict[str, list[Run]],
    references: dict[str, str | None],
    mix_meters: bool,
    price: float | None,
) -> dict[str, Any]:
    first = runs[0]
    row: dict[str, Any] = {name: first[name] for name in columns.SETTING}
    row |= {
        "strategy": label,
        "kind": first["kind"],
        "origin": first["origin"],
        "seeds": len(runs),
        "complete_seeds": sum(bool(run["complete"]) for run in runs),
        "trials": sum(run["complete_trials"] for run in runs),
        "planned_trials": sum(run["planned_trials"] for run in runs),
        "trials_per_seed": max(run["planned_trials"] for run in runs),
        "attempts": sum(run["attempts"] for run in runs),
        "killed_attempts": sum(run["killed"] for run in runs),
        "chosen_taus": tuple(run["chosen_tau"] for run in runs),
    }
    for name in ("val_score", "test_score"):
        known = [run[name] for run in runs if not math.isnan(run[name])]
        row[f"{name}_mean"] = statistics.fmean(known) if known else math.nan
        row[f"{name}_sd"] = statistics.stdev(known) if len(known) > 1 else math.nan
        row[f"{name}_seeds"] = len(known)
    for part in ("tuning", "final"):
        for name in columns.COST_COLUMNS:
            row[f"{part}_{name}"] = statistics.fmean(run[f"{part}_{name}"] for run in runs)
    # The teacher three ways: left out above, charged in full, and shared among the campaigns that used it.
    for name in columns.COST_COLUMNS:
        row[f"{name}_with_teacher"] = statistics.fmean(run[f"tuning_{name}"] + run[f"teacher_{name}"] for run in runs)
        row[f"{name}_with_teacher_shared"] = statistics.fmean(
            run[f"tuning_{name}"] + run[f"teacher_{name}"] * len(run["campaigns"]) / max(1, run["teacher_users"])
            for run in runs
        )
    row["tuning_money"] = (
        math.nan if price is None else statistics.fmean(run["tuning_energy_kwh"] * run["pue"] * price for run in runs)
    )
    for reference, other in references.items():
        theirs = found[other] if other is not None else []
        for name in MULTIPLES:
            row[f"{name}_x_{reference}"] = _multiple(runs, theirs, name, mix_meters=mix_meters)
    for name in MULTIPLES:  # the teacher's ledger is not in the sweep: its meter is not known, its machine may differ
        row[f"{name}_x_teacher"] = _ratio([(run[f"tuning_{name}"], run[f"teacher_{name}"]) for run in runs])
    for name in ("meter", "carbon", "processor"):
        row[name] = joined(run[name] for run in runs)
    return row


def _multiple(ours: list[Run], theirs: list[Run], name: str, *, mix_meters: bool) -> float:
    by_seed = {run["seed"]: run for run in theirs}
    pairs = [(run, by_seed[run["seed"]]) for run in ours if run["seed"] in by_seed]
    must_agree = {"energy_kwh": ("meter",), "co2eq_g": ("meter", "carbon")}.get(name, ())
    comparable = all(len({run[key] for pair in pairs for run in pair}) <= 1 for key in must_agree)
    if not comparable and not mix_meters:
        return math.nan
    return _ratio([(run[f"tuning_{name}"], other[f"tuning_{name}"]) for run, other in pairs])


def _ratio(pairs: list[tuple[float, float]]) -> float:
    """Ratio of means; NaN where a part is missing."""
    below = math.fsum(divisor for _, divisor in pairs)
    return math.fsum(value for value, _ in pairs) / below if below > 0 else math.nan


def _endpoint(setting: pd.DataFrame, baseline: str | None) -> list[str]:
    """What to rest a conclusion on where no sensor could be read, and the ratios of it."""
    if setting["meter"].str.contains(Source.MEASURED.value).any():
        return []
    notes = ["no energy sensor was read: CPU seconds and FLOPs are the primary endpoint, joules follow a model"]
    theirs = {run["seed"]: run for run in rows_of(setting[setting["strategy"] == baseline])}
    for (label,), group in groups(setting[setting["strategy"] != baseline], ["strategy"], sort=False):
        pairs = [(run, theirs[run["seed"]]) for run in rows_of(group) if run["seed"] in theirs]
        parts = [part for name, unit in _ENDPOINTS.items() if (part := _times(pairs, name, unit))]
        if parts:
            seeds = "1 seed" if len(pairs) == 1 else f"{len(pairs)} paired seeds"
            notes.append(f"{label} over {baseline}, {seeds}: {', '.join(parts)}")
    return notes


_ENDPOINTS = {"cpu_s": "the CPU seconds", "flops": "the FLOPs"}


def _times(pairs: list[tuple[Run, Run]], name: str, unit: str) -> str:
    values = [(run[f"tuning_{name}"], other[f"tuning_{name}"]) for run, other in pairs]
    ratio = _ratio(values)
    if math.isnan(ratio):
        return ""
    low, high = ratio_interval(values)
    return f"{ratio:.3g}× {unit}" + ("" if math.isnan(low) else f" (95 % bootstrap interval {low:.3g} to {high:.3g})")


def _notes(setting: pd.DataFrame, references: dict[str, str | None], baseline: str, mix_meters: bool) -> list[str]:
    notes = []
    if references["baseline"] is None:
        there = ", ".join(sorted(set(setting["strategy"])))
        notes.append(f"no campaign of {baseline!r} here, so no multiples of it; there are: {there}")
    if references["fixed"] is None:
        notes.append("no fixed-τ control: add temperature=fixed (one training per seed)")
    elif (setting["origin"] == "from grid").any():
        start_up = (
            "with the start-up of a campaign of one trial, as measured here"
            if ((setting["origin"] == "campaign") & (setting["planned_trials"] == 1)).any()
            else "without any start-up"
        )
        notes.append(f"the fixed-τ row is one trial of the grid: its cost is that training's, {start_up}")
    if (setting["origin"] == "swept").any():
        notes.append("grid (swept): `fixed` campaigns that differ in τ only, their costs added up, logits paid once")
    seeds = {label: set(group["seed"]) for (label,), group in groups(setting, ["strategy"])}
    every = set.union(*seeds.values())
    for label, own in seeds.items():
        if own != every:
            notes.append(f"{label}: no seed {', '.join(str(seed) for seed in sorted(every - own))}")
    for row in rows_of(setting[~setting["complete"].astype(bool)]):
        test = "" if not math.isnan(row["test_score"]) else ", test not opened yet"
        count = f"{row['complete_trials']} of {row['planned_trials']} trials complete"
        notes.append(f"{row['strategy']}, seed {row['seed']}: {count}{test}")
    if setting["meter"].nunique() > 1:
        kept = "compared all the same (--mix-meters)" if mix_meters else "not compared (--mix-meters compares them)"
        notes.append(f"rows come from different meters or methods: their energy is {kept}")
    elif setting["carbon"].nunique() > 1:
        notes.append("rows use different PUE or carbon intensity: their grams are not compared; re-price them")
    notes.extend(_endpoint(setting, references["baseline"]))
    if setting["processor"].nunique() > 1:
        notes.append(f"rows come from different machines: {joined(setting['processor'])}")
    return notes
