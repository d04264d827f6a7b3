"""Scores over τ and another setting that was searched with it: a map of cells, or of dots where values are proposed."""

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from analysis.frames.groupby import groups
from analysis.views.figures.setting import WIDTH, Drawing, Setting
from greenkd.records import StrategyKind, TrialStatus

_PARTS = {"val_score": "validation", "test_score": "test"}
_MAP = "cividis"  # told apart by colour-blind readers and in grey
_MOST_NUMBERED = 8  # values of τ up to which cells bear numbers
_ROW_IN, _DOTS_IN, _AROUND_IN = 0.42, 2.4, 1.1  # inches: a row of cells, a panel of dots, what stands around a panel


@dataclasses.dataclass(frozen=True)
class _Map:
    """What one map shows.

    Attributes:
        strategy: Label of the strategy that searched.
        is_grid: Whether its values were listed.
        key: The setting beside τ.
        own: The configuration's value of it.
        trials: The strategy's complete trials, with the setting's values in the column `value`.
        chosen: The combinations that seeds chose, τ and value.
    """

    strategy: str
    is_grid: bool
    key: str
    own: Any
    trials: pd.DataFrame
    chosen: list[tuple[float, Any]]


def score_map(setting: Setting) -> Drawing | None:
    """Draws the score of each combination of τ and a setting that was searched with it, validation above test."""
    maps = _maps(setting)
    if not maps:
        return None

    shown = [(drawn, name) for drawn in maps for name in _PARTS if drawn.trials[name].notna().any()]
    heights = [
        _AROUND_IN + (_ROW_IN * drawn.trials["value"].nunique() if drawn.is_grid else _DOTS_IN) for drawn, _ in shown
    ]
    figure = Figure(figsize=(WIDTH, sum(heights)))
    panels = figure.subplots(len(shown), 1, squeeze=False, height_ratios=heights)[:, 0]
    for axes, (drawn, name) in zip(panels, shown, strict=True):
        _draw(axes, setting, drawn, name)

    several = any(len(searched) > 1 for searched in setting.runs["searched"])
    return Drawing(
        title=f"{setting.words.title} over temperature and what was tuned with it",
        caption=(
            "A cell is the mean over seeds of one combination, a dot a trial that a search proposed. A ring marks what "
            "validation chose in a seed; the dashed frame holds the configuration's own value, which all other "
            f"strategies have.{' Other searched settings are averaged over.' if several else ''}"
        ),
        alt=" ".join(_in_words(setting, drawn) for drawn in maps),
        figure=figure,
    )


def _maps(setting: Setting) -> list[_Map]:
    maps = []
    for (label,), runs in groups(setting.runs[setting.runs["searched"].astype(bool)], ["strategy"], sort=False):
        numbers = [number for numbers in runs["campaigns"] for number in numbers]
        trials = setting.trials[setting.trials["campaign"].isin(numbers)]
        trials = trials[
            (trials["status"] == TrialStatus.COMPLETE) & trials["tau"].notna() & trials["val_score"].notna()
        ]

        for key, own in runs["searched"].iloc[0].items():
            values = [params.get(key) for params in trials["params"]]
            chosen = [(params["tau"], params[key]) for params in runs["chosen_params"] if params]
            if len(trials):
                is_grid = runs["kind"].iloc[0] == StrategyKind.GRID
                maps.append(_Map(label, is_grid, key, own, trials.assign(value=values), chosen))
    return maps


def _draw(axes: Axes, setting: Setting, drawn: _Map, name: str) -> None:
    colours = _draw_cells(axes, setting, drawn, name) if drawn.is_grid else _draw_dots(axes, setting, drawn, name)
    axes.set_xlabel("temperature τ")
    axes.set_ylabel(drawn.key)
    axes.set_title(drawn.strategy, fontsize=10)
    axes.figure.colorbar(colours, ax=axes, pad=0.02).set_label(f"{_PARTS[name]}\n{setting.words.axis}")


def _draw_cells(axes: Axes, setting: Setting, drawn: _Map, name: str) -> Any:
    """Draws a cell per combination; one without a complete trial stays white."""
    scores = setting.words.scale * drawn.trials.pivot_table(index="value", columns="tau", values=name, aggfunc="mean")
    taus: list[Any] = list(scores.columns)
    values: list[Any] = list(scores.index)
    colours = axes.pcolormesh(scores.to_numpy(dtype=np.float64), cmap=_MAP, edgecolors="white", linewidth=0.5)

    axes.grid(visible=False)
    axes.set_xticks(np.arange(len(taus)) + 0.5, [f"{tau:g}" for tau in taus])
    axes.set_yticks(np.arange(len(values)) + 0.5, [_text(value) for value in values])
    if len(taus) <= _MOST_NUMBERED:
        _number_cells(axes, scores)
    for tau, value in drawn.chosen:
        if tau in taus and value in values:
            place = taus.index(tau) + 0.5, values.index(value) + 0.2
            axes.plot(*place, "o", markerfacecolor="none", markeredgecolor="#D55E00", markersize=7, markeredgewidth=1.8)
    if drawn.own in values:
        corner = (0.03, values.index(drawn.own) + 0.03)
        axes.add_patch(
            Rectangle(corner, len(taus) - 0.06, 0.94, fill=False, edgecolor="black", linestyle="--", linewidth=1.4)
        )
    return colours


def _number_cells(axes: Axes, scores: pd.DataFrame) -> None:
    known = scores.to_numpy(dtype=np.float64)
    middle = (np.nanmin(known) + np.nanmax(known)) / 2
    for row, column in np.argwhere(~np.isnan(known)):
        score = known[row, column]
        color = "black" if score > middle else "white"
        axes.text(column + 0.5, row + 0.62, f"{score:.1f}", ha="center", va="center", color=color, fontsize=9)


def _draw_dots(axes: Axes, setting: Setting, drawn: _Map, name: str) -> Any:
    """Draws a dot per trial; words stand at places of their own."""
    values = list(drawn.trials["value"])
    is_number = all(isinstance(value, float | int) and not isinstance(value, bool) for value in values)
    words = [] if is_number else sorted({_text(value) for value in values})

    def height(value: Any) -> float:
        return float(value) if is_number else words.index(_text(value))

    scores = setting.words.scale * drawn.trials[name]
    heights = [height(value) for value in values]
    colours = axes.scatter(
        drawn.trials["tau"], heights, c=scores, cmap=_MAP, s=45, edgecolors="#555555", linewidths=0.5
    )
    for tau, value in drawn.chosen:
        axes.plot(
            tau,
            height(value),
            "o",
            markerfacecolor="none",
            markeredgecolor="#D55E00",
            markersize=12,
            markeredgewidth=1.8,
        )

    if words:
        axes.set_yticks(range(len(words)), words)
        axes.set_ylim(-0.5, len(words) - 0.5)
    elif min(heights) > 0 and max(heights) > 5 * min(heights):
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
    return colours


def _in_words(setting: Setting, drawn: _Map) -> str:
    """Returns what a reader who cannot see the map has to know."""
    mean = drawn.trials.groupby(["tau", "value"])["val_score"].mean()
    best: Any = mean.idxmax()
    tau, value = best
    words = setting.words
    return (
        f"{drawn.strategy}: {len(mean)} combinations of τ and {drawn.key}, mean validation {words.name} from "
        f"{words.text(mean.min())} to {words.text(mean.max())} {words.unit}, best at τ={tau:.3g}, "
        f"{drawn.key}={_text(value)}."
    )


def _text(value: Any) -> str:
    is_number = isinstance(value, float | int) and not isinstance(value, bool)
    return f"{value:.3g}" if is_number and math.isfinite(value) else str(value)
