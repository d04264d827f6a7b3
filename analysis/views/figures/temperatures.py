"""Scores against τ, and the temperatures that were drawn."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.frames.groupby import groups, of_campaigns, rows_of
from analysis.views.figures.setting import PANEL_HEIGHT, WIDTH, Drawing, Setting, panels_of
from greenkd.records import StrategyKind, TrialStatus

_BINS = 20  # of a continuous τ
_MOST_DOTS = 1000
_PARTS = {"val_score": "validation", "test_score": "test"}


def score_against_tau(setting: Setting) -> Drawing | None:
    """Draws every trial as a dot over its τ, and the student of a stochastic strategy as a line."""
    kinds = setting.sweep.campaigns.set_index("campaign")["kind"]
    trials = setting.trials
    trials = trials[trials["campaign"].map(kinds) != StrategyKind.ADAPTIVE]  # their τ is a base, on another scale
    trials = trials[trials["as_configured"].astype(bool)]  # the others differ in more than τ
    trials = trials[(trials["status"] == TrialStatus.COMPLETE) & trials["tau"].notna() & trials["val_score"].notna()]
    if trials["tau"].nunique() < 2:
        return None

    names = [name for name in _PARTS if trials[name].notna().any()]
    figure = Figure(figsize=(WIDTH, PANEL_HEIGHT * len(names) + 0.5))
    panels = panels_of(figure, len(names))
    points: dict[str, list[str]] = {}
    for axes, name in zip(panels, names, strict=True):
        points |= _draw_trials(axes, setting, trials, name)
        _draw_stochastic_mean(axes, setting, name)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylabel(f"{_PARTS[name]} {setting.words.axis}")
    panels[-1].set_xlabel("temperature τ")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)

    words = setting.words
    mean = trials.groupby("tau")["val_score"].mean()
    seeds = trials["campaign"].map(setting.sweep.campaigns.set_index("campaign")["seed"]).nunique()
    return Drawing(
        title=f"{words.title} against temperature",
        caption="Every complete trial is a dot. The dotted line is the student trained with a random τ per batch.",
        alt=(
            f"{seeds} seed(s), τ from {trials['tau'].min():g} to {trials['tau'].max():g}; mean validation {words.name} "
            f"from {words.text(mean.min())} {words.unit} to {words.text(mean.max())} {words.unit}, "
            f"best at τ={mean.idxmax():g}."
        ),
        figure=figure,
        points=points,
    )


def _draw_trials(axes: Axes, setting: Setting, trials: pd.DataFrame, name: str) -> dict[str, list[str]]:
    """Draws a dot per trial, and the mean over seeds where strategies name their τ beforehand.

    Returns:
        By the id of each group of dots, what is said of each.
    """
    said = {}
    scale = setting.words.scale
    kinds = trials["campaign"].map(setting.sweep.campaigns.set_index("campaign")["kind"])
    is_search = kinds.isin([StrategyKind.SEARCH, StrategyKind.CUSTOM])
    listed, searched = trials[~is_search], trials[is_search]

    for frame, marker, color, label, gid in (
        (listed, "o", "#0072B2", "one seed", f"listed-{name}"),
        (searched, "^", "#D55E00", "one seed, search", f"searched-{name}"),
    ):
        known = frame[frame[name].notna()]
        if len(known):
            style: dict[str, Any] = {"color": color, "alpha": 0.45, "markersize": 4.5, "markeredgewidth": 0}
            axes.plot(known["tau"], scale * known[name], marker, label=label, gid=gid, **style)
            said[gid] = _in_words(setting, known)

    if len(listed):
        mean = listed.groupby("tau")[name].mean()
        axes.plot(mean.index, scale * mean, "-", color="#0072B2", linewidth=1.6, label="mean over seeds")
    return said


def _in_words(setting: Setting, trials: pd.DataFrame) -> list[str]:
    of_setting = of_campaigns(setting.sweep.campaigns[["campaign", "strategy", "seed"]], setting.campaigns)
    campaigns = {row["campaign"]: row for row in rows_of(of_setting)}
    words = setting.words
    return [
        f"{campaigns[row['campaign']]['strategy']}, τ={row['tau']:.3g}, seed {campaigns[row['campaign']]['seed']}, "
        f"trial {row['trial']}: validation {words.text(row['val_score'])} {words.unit}, "
        f"test {words.text(row['test_score'])} {words.unit}"
        for row in rows_of(trials)
    ]


def _draw_stochastic_mean(axes: Axes, setting: Setting, name: str) -> None:
    scale = setting.words.scale
    stochastic = setting.runs[setting.runs["kind"] == StrategyKind.STOCHASTIC]

    for (label,), runs in groups(stochastic, ["strategy"]):
        mean, sd = scale * runs[name].mean(), scale * runs[name].std()
        color = setting.looks[label].color
        axes.axhline(mean, color=color, linestyle=":", linewidth=1.6, label=f"{label}, mean")
        if sd > 0:
            axes.axhspan(mean - sd, mean + sd, color=color, alpha=0.12, linewidth=0, label=f"{label}, ± sd")


def tau_trace(setting: Setting) -> Drawing | None:
    """Draws the histogram of the drawn τ against its distribution, and the loss of a batch against its τ."""
    runs = setting.runs[setting.runs["kind"] == StrategyKind.STOCHASTIC]
    campaigns = [number for numbers in runs["campaigns"] for number in numbers]
    if not campaigns:
        return None
    steps = setting.sweep.steps_of(campaigns)
    if steps.empty:
        return None

    figure = Figure(figsize=(WIDTH, 2 * PANEL_HEIGHT + 0.6))
    above, below = panels_of(figure, 2)
    edges = _draw_histogram(above, steps)
    _draw_losses(below, steps, edges)
    for axes in (above, below):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))

    taus = steps["tau"].to_numpy(dtype=np.float64)
    return Drawing(
        title="Trace of the drawn temperatures",
        caption=(
            "Above: the τ that were drawn, against a uniform distribution over their range. Below: loss of a batch "
            "against its τ, second half of the epochs; evenly spaced batches where there are more than "
            f"{_MOST_DOTS:,}. All stochastic campaigns of this setting."
        ),
        alt=f"{len(taus)} batches, τ from {taus.min():g} to {taus.max():g}, mean {taus.mean():.2f}.",
        figure=figure,
    )


def _draw_histogram(axes: Axes, steps: pd.DataFrame) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """Draws the shares of the drawn τ and returns the edges of the bins: one per τ where all are whole numbers."""
    taus = steps["tau"].to_numpy(dtype=np.float64)
    low, high = float(taus.min()), float(taus.max())

    if np.all(taus == np.round(taus)):
        edges = np.arange(low, high + 2) - 0.5
        expected = 1 / (high - low + 1)
    else:
        edges = np.linspace(low, high, _BINS + 1)
        expected = (edges[1] - edges[0]) / (high - low)

    axes.hist(taus, bins=list(edges), weights=np.full(len(taus), 1 / len(taus)), color="#009E73", edgecolor="white")
    axes.axhline(expected, color="black", linestyle="--", linewidth=1.2, label="uniform distribution")
    axes.set_xlabel("temperature τ of a batch")
    axes.set_ylabel("share of batches")
    axes.set_ylim(0, 1.25 * axes.get_ylim()[1])
    axes.legend(loc="upper center")
    return edges


def _draw_losses(axes: Axes, steps: pd.DataFrame, edges: "np.ndarray[tuple[int], np.dtype[np.float64]]") -> None:
    """Draws the loss of each batch of the second half of the epochs over its τ, and the mean per bin."""
    late = steps[steps["epoch"] >= steps["epoch"].max() / 2]
    shown = late.iloc[:: -(-len(late) // _MOST_DOTS)]
    axes.plot(shown["tau"], shown["loss"], ".", color="#009E73", alpha=0.25, markersize=4, label="one batch")

    bins = np.digitize(late["tau"].to_numpy(dtype=np.float64), edges) - 1
    mean = late.groupby(bins)[["tau", "loss"]].mean()
    axes.plot(mean["tau"], mean["loss"], "-", color="black", linewidth=1.5, label="mean")

    axes.set_xlabel("temperature τ of a batch")
    axes.set_ylabel("training loss of the batch")
    axes.set_ylim(top=axes.get_ylim()[1] + 0.2 * np.ptp(axes.get_ylim()))
    axes.legend(loc="upper center", ncols=2)
