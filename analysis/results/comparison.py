"""The comparison table: per setting and strategy, what was got and what was paid, over seeds."""

import dataclasses
import functools
import itertools
import math
import statistics
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.frames import columns
from analysis.frames.groupby import groups, joined, of_setting, rows_of
from analysis.frames.load import Sweep
from analysis.frames.side_by_side import mapped
from analysis.results.comparison_notes import setting_notes
from analysis.results.cost_to_reach import cost_to_reach
from analysis.results.held_fixed import held_fixed, note_on_shared
from analysis.results.paired_tests import ratio_of_means
from analysis.results.strategy_runs import strategy_runs
from greenkd.records import StrategyKind

Run = dict[str, Any]  # one row of the runs frame

# The costs that are shown as multiples of another strategy's.
MULTIPLES = ("energy_kwh", "co2eq_g", "flops", "duration_s", "cpu_s")

# Runs whose values of these columns differ are not set in one ratio of this cost.
_MUST_AGREE = {"energy_kwh": ("meter",), "co2eq_g": ("meter", "carbon")}


@dataclasses.dataclass(frozen=True)
class Comparison:
    """The table, one row per setting and strategy, the runs behind it (one row per seed), and the records of both."""

    table: pd.DataFrame
    runs: pd.DataFrame
    notes: dict[str, list[str]]  # by setting_id
    sweep: Sweep

    def reach_of(self, setting: tuple[str, ...]) -> pd.DataFrame:
        """Returns what `cost_to_reach` does for one setting; several tables and figures are made of it."""
        if setting not in self._reaches:
            self._reaches[setting] = cost_to_reach(self.sweep, of_setting(self.runs, setting))
        return self._reaches[setting]

    @functools.cached_property
    def _reaches(self) -> dict[tuple[str, ...], pd.DataFrame]:
        return {}


def compare(sweep: Sweep, *, baseline: str = "stochastic", mix_meters: bool = False) -> Comparison:
    """Returns means, standard deviations and multiples per setting and strategy.

    Multiples are ratios of mean tuning costs over the seeds that both strategies have. Energy and grams of rows that
    different meters or methods made are not set in one ratio unless `mix_meters` says so.

    Args:
        sweep: What to compare.
        baseline: The strategy (its label, or its kind) that the first multiple refers to.
        mix_meters: Set rows of different meters in one ratio all the same.
    """
    runs = strategy_runs(sweep)
    settings = [setting for _, setting in groups(runs, columns.SETTING)]
    work = functools.partial(_of_settings, baseline=baseline, mix_meters=mix_meters, price=sweep.pricing.price)
    parts = mapped(work, settings, campaigns=len(sweep.folders), processes=sweep.processes)

    rows: list[dict[str, Any]] = []
    notes: dict[str, list[str]] = {}
    for setting, (strategies, said) in zip(settings, itertools.chain.from_iterable(parts), strict=True):
        rows += strategies
        numbers = {number for campaigns in setting["campaigns"] for number in campaigns}
        notes[setting["setting_id"].iloc[0]] = [*said, *note_on_shared(setting, held_fixed(sweep, numbers))]

    return Comparison(pd.DataFrame(rows), runs, notes, sweep)


def _of_settings(
    settings: Sequence[pd.DataFrame], *, baseline: str, mix_meters: bool, price: float | None
) -> list[tuple[list[dict[str, Any]], list[str]]]:
    """Returns the rows of each setting, one per strategy, and what has to be said about it."""
    found = []
    for setting in settings:
        by_strategy: dict[str, list[Run]] = {}
        for run in rows_of(setting):
            by_strategy.setdefault(run["strategy"], []).append(run)

        # What multiples refer to; None where the setting has no such strategy.
        references = {
            "baseline": _strategy_called(baseline, setting),
            "fixed": _strategy_called(StrategyKind.FIXED.value, setting),
        }
        reference_runs = {name: by_strategy.get(label or "", []) for name, label in references.items()}

        rows = [
            _row(label, seeds, price=price)
            | _multiples(seeds, reference_runs, mix_meters=mix_meters)
            | _how_made(seeds)
            for label, seeds in by_strategy.items()
        ]
        found.append((rows, setting_notes(setting, references, baseline=baseline, mix_meters=mix_meters)))
    return found


def _strategy_called(name: str, setting: pd.DataFrame) -> str | None:
    """Returns the label of the strategy that has this label or, failing that, is of this kind."""
    for column in ("strategy", "kind"):
        matching = setting.loc[setting[column] == name, "strategy"]
        if len(matching):
            return str(matching.iloc[0])
    return None


def _row(label: str, runs: list[Run], *, price: float | None) -> dict[str, Any]:
    """Returns what one strategy was, got and paid, over its seeds."""
    first = runs[0]
    row: dict[str, Any] = {name: first[name] for name in columns.SETTING}
    row |= {
        "strategy": label,
        "kind": first["kind"],
        "class": first["class"],
        "origin": first["origin"],
        "seeds": len(runs),
        "complete_seeds": sum(bool(run["complete"]) for run in runs),
        "trials": sum(run["complete_trials"] for run in runs),
        "planned_trials": sum(run["planned_trials"] for run in runs),
        "trials_per_seed": max(run["planned_trials"] for run in runs),
        "attempts": sum(run["attempts"] for run in runs),
        "killed_attempts": sum(run["killed"] for run in runs),
        "chosen_taus": tuple(run["chosen_tau"] for run in runs),
        "chosen_params": tuple(run["chosen_params"] for run in runs),
        "searched": first["searched"],
        "metric": first["metric"],
    }

    for name in ("val_score", *columns.TEST_MEASURES):
        known = [run[name] for run in runs if not math.isnan(run[name])]
        row[f"{name}_mean"] = statistics.fmean(known) if known else math.nan
        row[f"{name}_sd"] = statistics.stdev(known) if len(known) > 1 else math.nan
        row[f"{name}_seeds"] = len(known)

    for part in ("tuning", "startup", "final", "synthesis"):
        for name in columns.COST_COLUMNS:
            row[f"{part}_{name}"] = statistics.fmean([run[f"{part}_{name}"] for run in runs])

    # What is left where the students' images are there already
    for name in columns.COST_COLUMNS:
        row[f"{name}_without_synthesis"] = row[f"tuning_{name}"] - row[f"synthesis_{name}"]

    # The teacher three ways: left out above, charged in full, and shared among the campaigns that used it.
    for name in columns.COST_COLUMNS:
        row[f"{name}_with_teacher"] = statistics.fmean([run[f"tuning_{name}"] + run[f"teacher_{name}"] for run in runs])
        row[f"{name}_with_teacher_shared"] = statistics.fmean(
            [
                run[f"tuning_{name}"] + run[f"teacher_{name}"] * len(run["campaigns"]) / max(1, run["teacher_users"])
                for run in runs
            ]
        )

    row["tuning_money"] = math.nan
    if price is not None:
        row["tuning_money"] = statistics.fmean(run["tuning_energy_kwh"] * run["pue"] * price for run in runs)
    return row


def _multiples(runs: list[Run], reference_runs: dict[str, list[Run]], *, mix_meters: bool) -> dict[str, float]:
    """Returns the strategy's costs over those of each reference and over the teacher's training."""
    multiples = {}
    for reference, others in reference_runs.items():
        # Over the seeds in common
        other_of_seed = {run["seed"]: run for run in others}
        pairs = [(run, other_of_seed[run["seed"]]) for run in runs if run["seed"] in other_of_seed]
        for name in MULTIPLES:
            multiples[f"{name}_x_{reference}"] = _multiple(pairs, name, mix_meters=mix_meters)
            multiples[f"{name}_x_{reference}_without_synthesis"] = _multiple(
                pairs, name, mix_meters=mix_meters, less="synthesis"
            )

    # The teacher's ledger is not in the sweep: its meter is not known, its machine may differ.
    for name in MULTIPLES:
        multiples[f"{name}_x_teacher"] = ratio_of_means(
            [(run[f"tuning_{name}"], run[f"teacher_{name}"]) for run in runs]
        )
    return multiples


def _multiple(pairs: list[tuple[Run, Run]], name: str, *, mix_meters: bool, less: str | None = None) -> float:
    """Returns the ratio of mean tuning costs over paired runs; `less` is a part that both are without."""
    comparable = all(len({run[key] for pair in pairs for run in pair}) <= 1 for key in _MUST_AGREE.get(name, ()))
    if not comparable and not mix_meters:
        return math.nan

    def cost(run: Run) -> float:
        total: float = run[f"tuning_{name}"]
        return total - run[f"{less}_{name}"] if less else total

    return ratio_of_means([(cost(run), cost(other)) for run, other in pairs])


def _how_made(runs: list[Run]) -> dict[str, str]:
    return {name: joined(run[name] for run in runs) for name in ("meter", "carbon", "processor")}
