"""The curves of the report that are worth hovering over, as plain data for plotly.js."""

import dataclasses
import math
from typing import Any

import pandas as pd

from analysis import units
from analysis.frames import columns
from analysis.frames.groupby import groups, rows_of
from analysis.frames.load import Sweep
from analysis.results.comparison import Comparison
from analysis.results.cost_to_reach import cost_to_reach
from analysis.results.verdict import plain
from analysis.views.style import Look, looks
from greenkd.records import TrialStatus

Trace = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Chart:
    """One interactive chart: plotly traces, axis titles, and what a reader who cannot see it has to know."""

    title: str
    alt: str
    traces: list[Trace]
    x_title: str
    y_title: str
    log_x: bool
    campaigns: tuple[int, ...]


def charts(sweep: Sweep, comparison: Comparison) -> list[Chart]:
    """Cost to reach, accuracy over τ and the Pareto front, setting by setting."""
    reach = cost_to_reach(sweep, comparison.runs)
    found = []
    for key, runs in groups(comparison.runs, columns.SETTING):
        where = f"{key[0]}, {key[1]} → {key[2]}, {key[3]}"
        names = pd.Series(dict(zip(columns.SETTING, key, strict=True)))
        table = comparison.table
        rows = rows_of(table[(table[list(columns.SETTING)] == names).all(axis=1)])
        styles = looks((row["strategy"], row["kind"]) for row in rows)
        campaigns = tuple(sorted({number for numbers in runs["campaigns"] for number in numbers}))
        curves = reach[(reach[list(columns.SETTING)] == names).all(axis=1)] if len(reach) else reach
        possible = (
            _reach_chart(curves, styles, where, campaigns),
            _tau_chart(sweep, campaigns, where),
            _pareto_chart(rows, styles, where, campaigns),
        )
        found += [chart for chart in possible if chart is not None]
    return found


def _line(look: Look, *, lines: bool) -> Trace:
    return {
        "type": "scatter",
        "mode": "lines+markers" if lines else "markers",
        "line": {"color": look.color, "dash": look.plotly_dash},
        "marker": {"color": look.color, "symbol": look.plotly_symbol, "size": 7 if lines else 11},
    }


def _reach_chart(reach: pd.DataFrame, styles: dict[str, Look], where: str, campaigns: tuple[int, ...]) -> Chart | None:
    if reach.empty or (reach["k"] == 1).all():
        return None
    basis = next((name for name in ("energy_kwh", "cpu_s", "duration_s") if (reach[name] > 0).all()), None)
    if basis is None:
        return None
    factor, unit = units.scale(basis, reach[basis])
    traces = []
    for (label,), curve in groups(reach, ["strategy"], sort=False):
        rows = rows_of(curve)
        traces.append(
            _line(styles[label], lines=len(rows) > 1)
            | {
                "name": plain(label),
                "x": [row[basis] * factor for row in rows],
                "y": [_known(100 * row["test_score"]) for row in rows],
                "customdata": [[row["k"], 100 * row["val_score"]] for row in rows],
                "hovertemplate": (
                    f"%{{x:.4g}} {unit}, %{{customdata[0]}} training(s)<br>"
                    "test %{y:.2f} %, validation %{customdata[1]:.2f} %"
                ),
            }
        )
    what = {"energy_kwh": "energy", "cpu_s": "CPU time", "duration_s": "time"}[basis]
    return Chart(
        f"Cost to reach ({where})",
        "Test accuracy of the trial chosen by the time so much was spent; the table below it has the values.",
        traces,
        f"{what} spent, {unit}",
        "test accuracy, %",
        bool(reach[basis].max() > 5 * reach[basis].min()),
        campaigns,
    )


def _tau_chart(sweep: Sweep, campaigns: tuple[int, ...], where: str) -> Chart | None:
    trials = sweep.trials[sweep.trials["campaign"].isin(campaigns)]
    trials = trials[(trials["status"] == TrialStatus.COMPLETE) & trials["tau"].notna() & trials["val_score"].notna()]
    if trials["tau"].nunique() < 2:
        return None
    info = sweep.campaigns.set_index("campaign")
    labels = trials.assign(
        strategy=trials["campaign"].map(info["strategy"]),
        kind=trials["campaign"].map(info["kind"]),
        seed=trials["campaign"].map(info["seed"]),
    )
    styles = looks(zip(labels["strategy"], labels["kind"], strict=True))
    traces = []
    for (strategy,), group in groups(labels, ["strategy"]):
        rows = rows_of(group.sort_values("tau"))
        traces.append(
            _line(styles[strategy], lines=False)
            | {
                "name": strategy,
                "x": [row["tau"] for row in rows],
                "y": [100 * row["val_score"] for row in rows],
                "customdata": [[row["seed"], row["trial"], _known(100 * row["test_score"])] for row in rows],
                "hovertemplate": (
                    "τ=%{x:.3g}: validation %{y:.2f} %, test %{customdata[2]:.2f} %<br>"
                    "seed %{customdata[0]}, trial %{customdata[1]}"
                ),
                "opacity": 0.7,
            }
        )
        traces[-1]["marker"]["size"] = 7
    return Chart(
        f"Validation accuracy over τ ({where})",
        f"{len(trials)} trials with τ from {trials['tau'].min():g} to {trials['tau'].max():g}.",
        traces,
        "temperature τ",
        "validation accuracy, %",
        False,
        campaigns,
    )


def _pareto_chart(
    rows: list[dict[str, Any]], styles: dict[str, Look], where: str, campaigns: tuple[int, ...]
) -> Chart | None:
    known = [row for row in rows if row["tuning_energy_kwh"] > 0 and not math.isnan(row["test_score_mean"])]
    if not known:
        return None
    spent = [row["tuning_energy_kwh"] for row in known]
    factor, unit = units.scale("energy_kwh", spent)
    traces = []
    for row in known:
        sd = row["test_score_sd"]
        trace = _line(styles[row["strategy"]], lines=False) | {
            "name": plain(row["strategy"]),
            "x": [row["tuning_energy_kwh"] * factor],
            "y": [100 * row["test_score_mean"]],
            "hovertemplate": f"%{{x:.4g}} {unit}<br>test %{{y:.2f}} %, {row['seeds']} seed(s)",
        }
        if not math.isnan(sd):
            trace["error_y"] = {"type": "data", "array": [100 * sd]}
        traces.append(trace)
    return Chart(
        f"Accuracy against energy ({where})",
        "One point per strategy: mean test accuracy over the energy of choosing τ, bars ± 1 sd.",
        traces,
        f"energy of choosing τ, {unit}",
        "test accuracy, %",
        max(spent) > 5 * min(spent),
        campaigns,
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
