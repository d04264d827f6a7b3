"""The curves of the report that are worth hovering over, as plain data for plotly.js."""

import dataclasses
import math
from typing import Any

import pandas as pd

from analysis import units
from analysis.frames import columns
from analysis.frames.groupby import groups, of_setting, rows_of
from analysis.frames.load import Sweep
from analysis.results.comparison import Comparison
from analysis.results.spending import has_sensor, spending_basis
from analysis.results.verdict_words import plain
from analysis.views.metric_words import MetricWords, metric_words
from analysis.views.setting_names import setting_place
from analysis.views.style import Look, looks
from greenkd.records import TrialStatus

PlotlyTrace = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Chart:
    """One interactive chart: plotly traces, axis titles, and what a reader who cannot see it has to know."""

    title: str
    alt: str
    traces: list[PlotlyTrace]
    x_title: str
    y_title: str
    log_x: bool
    campaigns: tuple[int, ...]


@dataclasses.dataclass(frozen=True)
class _Setting:
    """What the charts of one setting share."""

    place: str  # its name in brackets
    campaigns: tuple[int, ...]
    words: MetricWords
    styles: dict[str, Look]


def charts(sweep: Sweep, comparison: Comparison) -> list[Chart]:
    """Returns cost to reach, scores over τ and the Pareto front, setting by setting; what has no data is left out."""
    reach = comparison.reach
    drawn: list[Chart | None] = []

    for key, runs in groups(comparison.runs, columns.SETTING):
        rows = rows_of(of_setting(comparison.table, key))
        setting = _Setting(
            place=setting_place(key),
            campaigns=tuple(sorted({number for numbers in runs["campaigns"] for number in numbers})),
            words=metric_words(runs["metric"]),
            styles=looks((row["strategy"], row["kind"]) for row in rows),
        )
        drawn += [
            _reach_chart(setting, of_setting(reach, key), runs),
            _tau_chart(setting, sweep),
            _pareto_chart(setting, rows, runs),
        ]

    return [chart for chart in drawn if chart is not None]


def _scatter(look: Look, *, lines: bool) -> PlotlyTrace:
    return {
        "type": "scatter",
        "mode": "lines+markers" if lines else "markers",
        "line": {"color": look.color, "dash": look.plotly_dash},
        "marker": {"color": look.color, "symbol": look.plotly_symbol, "size": 7 if lines else 11},
    }


def _reach_chart(setting: _Setting, reach: pd.DataFrame, runs: pd.DataFrame) -> Chart | None:
    if reach.empty or (reach["k"] == 1).all():
        return None
    basis = spending_basis(runs["meter"], reach)
    if basis is None or not (reach[basis] > 0).all():
        return None

    words = setting.words
    factor, unit = units.scale(basis, reach[basis])
    traces = []
    for (label,), curve in groups(reach, ["strategy"], sort=False):
        rows = rows_of(curve)
        traces.append(
            _scatter(setting.styles[label], lines=len(rows) > 1)
            | {
                "name": plain(label),
                "x": [row[basis] * factor for row in rows],
                "y": [_known(words.scale * row["test_score"]) for row in rows],
                "customdata": [[row["k"], words.scale * row["val_score"]] for row in rows],
                "hovertemplate": (
                    f"%{{x:.4g}} {unit}, %{{customdata[0]}} training(s)<br>"
                    f"test %{{y:.2f}} {words.unit}, validation %{{customdata[1]:.2f}} {words.unit}"
                ),
            }
        )

    return Chart(
        f"Cost to reach {setting.place}",
        f"Test {words.name} of the trial chosen by the time so much was spent; the table below it has the values.",
        traces,
        f"{columns.SPENDING[basis]} spent, {unit}",
        f"test {words.axis}",
        bool(reach[basis].max() > 5 * reach[basis].min()),
        setting.campaigns,
    )


def _tau_chart(setting: _Setting, sweep: Sweep) -> Chart | None:
    trials = sweep.trials[sweep.trials["campaign"].isin(setting.campaigns) & sweep.trials["as_configured"].astype(bool)]
    trials = trials[(trials["status"] == TrialStatus.COMPLETE) & trials["tau"].notna() & trials["val_score"].notna()]
    if trials["tau"].nunique() < 2:
        return None

    campaigns = sweep.campaigns.set_index("campaign")
    trials = trials.assign(**{name: trials["campaign"].map(campaigns[name]) for name in ("strategy", "kind", "seed")})
    styles = looks(zip(trials["strategy"], trials["kind"], strict=True))

    words = setting.words
    traces = []
    for (strategy,), group in groups(trials, ["strategy"]):
        rows = rows_of(group.sort_values("tau"))
        trace = _scatter(styles[strategy], lines=False) | {
            "name": strategy,
            "x": [row["tau"] for row in rows],
            "y": [words.scale * row["val_score"] for row in rows],
            "customdata": [[row["seed"], row["trial"], _known(words.scale * row["test_score"])] for row in rows],
            "hovertemplate": (
                f"τ=%{{x:.3g}}: validation %{{y:.2f}} {words.unit}, test %{{customdata[2]:.2f}} {words.unit}<br>"
                "seed %{customdata[0]}, trial %{customdata[1]}"
            ),
            "opacity": 0.7,
        }
        trace["marker"]["size"] = 7
        traces.append(trace)

    return Chart(
        f"Validation {words.name} over τ {setting.place}",
        f"{len(trials)} trials with τ from {trials['tau'].min():g} to {trials['tau'].max():g}.",
        traces,
        "temperature τ",
        f"validation {words.axis}",
        False,
        setting.campaigns,
    )


def _pareto_chart(setting: _Setting, rows: list[dict[str, Any]], runs: pd.DataFrame) -> Chart | None:
    basis = "energy_kwh" if has_sensor(runs["meter"]) else "cpu_s"
    spending, spent_in = columns.SPENDING[basis], f"tuning_{basis}"
    known = [row for row in rows if row[spent_in] > 0 and not math.isnan(row["test_score_mean"])]
    if not known:
        return None

    words = setting.words
    spent = [row[spent_in] for row in known]
    factor, unit = units.scale(basis, spent)
    traces = []
    for row in known:
        trace = _scatter(setting.styles[row["strategy"]], lines=False) | {
            "name": plain(row["strategy"]),
            "x": [row[spent_in] * factor],
            "y": [words.scale * row["test_score_mean"]],
            "hovertemplate": f"%{{x:.4g}} {unit}<br>test %{{y:.2f}} {words.unit}, {row['seeds']} seed(s)",
        }
        if not math.isnan(row["test_score_sd"]):
            trace["error_y"] = {"type": "data", "array": [words.scale * row["test_score_sd"]]}
        traces.append(trace)

    return Chart(
        f"{words.title} against {spending} {setting.place}",
        f"One point per strategy: mean test {words.name} over the {spending} of choosing τ, bars ± 1 sd.",
        traces,
        f"{spending} of choosing τ, {unit}",
        f"test {words.axis}",
        max(spent) > 5 * min(spent),
        setting.campaigns,
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
