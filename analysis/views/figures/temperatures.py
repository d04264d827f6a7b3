"""Accuracy against τ, and the trace of the τ that were drawn."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from analysis.frames.groupby import groups
from analysis.views.figures.setting import HEIGHT, WIDTH, Drawn, Setting, panels_of
from greenkd.records import StrategyKind, TrialStatus


def accuracy_against_tau(setting: Setting) -> Drawn:
    """Every trial as a dot over its τ; the stochastic student as a line."""
    kinds = setting.sweep.campaigns.set_index("campaign")["kind"]
    trials = setting.trials
    trials = trials[trials["campaign"].map(kinds) != StrategyKind.ADAPTIVE]  # their τ is a base: another scale
    trials = trials[(trials["status"] == TrialStatus.COMPLETE) & trials["tau"].notna() & trials["val_score"].notna()]
    if trials["tau"].nunique() < 2:
        return None
    names = [name for name in ("val_score", "test_score") if trials[name].notna().any()]
    figure = Figure(figsize=(WIDTH + 1.4 * (len(names) - 1), HEIGHT))
    seeds = setting.sweep.campaigns.set_index("campaign")["seed"]
    panels = panels_of(figure, len(names))
    for axes, name in zip(panels, names, strict=True):
        swept = trials[~trials["campaign"].map(kinds).isin([StrategyKind.SEARCH, StrategyKind.CUSTOM])]
        searched = trials.drop(swept.index)
        for frame, marker, color, label in (
            (swept, "o", "#0072B2", "one seed"),
            (searched, "^", "#D55E00", "one seed, search"),
        ):
            if len(frame):
                axes.plot(
                    frame["tau"],
                    100 * frame[name],
                    marker,
                    color=color,
                    alpha=0.45,
                    markersize=4.5,
                    label=label,
                    markeredgewidth=0,
                )
        if len(swept):
            mean = swept.groupby("tau")[name].mean()
            axes.plot(mean.index, 100 * mean, "-", color="#0072B2", linewidth=1.6, label="mean over seeds")
        drawn = setting.runs[setting.runs["kind"] == StrategyKind.STOCHASTIC]
        for (label,), runs in groups(drawn, ["strategy"]):
            value, sd = 100 * runs[name].mean(), 100 * runs[name].std()
            color = setting.looks[label].color
            axes.axhline(value, color=color, linestyle=":", linewidth=1.6, label=f"{label}, mean")
            if sd > 0:
                axes.axhspan(value - sd, value + sd, color=color, alpha=0.12, linewidth=0, label=f"{label}, ± sd")
        axes.set_xlabel("temperature τ")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_ylabel(f"{'validation' if name == 'val_score' else 'test'} accuracy, %")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    best = trials.groupby("tau")["val_score"].mean()
    caption = "Every complete trial is a dot. The dotted line is the student trained with a random τ per batch."
    low, high = trials["tau"].min(), trials["tau"].max()
    alt = (
        f"{trials['campaign'].map(seeds).nunique()} seed(s), τ from {low:g} to {high:g}; mean validation accuracy "
        f"from {100 * best.min():.2f} % to {100 * best.max():.2f} %, best at τ={best.idxmax():g}."
    )
    return "Accuracy against temperature", caption, alt, figure


def tau_trace(setting: Setting) -> Drawn:
    """Histogram of the drawn τ against its distribution, and the loss of a batch against its τ."""
    runs = setting.runs[setting.runs["kind"] == StrategyKind.STOCHASTIC]
    if runs.empty:
        return None
    steps = setting.sweep.steps
    steps = steps[steps["campaign"].isin([number for run in runs["campaigns"] for number in run])]
    if steps.empty:
        return None
    figure = Figure(figsize=(WIDTH + 1.4, HEIGHT))
    left, right = panels_of(figure, 2)
    taus = steps["tau"].to_numpy(dtype=np.float64)
    whole = bool(np.all(taus == np.round(taus)))
    low, high = float(taus.min()), float(taus.max())
    if whole:
        edges = np.arange(low, high + 2) - 0.5
        expected = 1 / (high - low + 1)
    else:
        edges = np.linspace(low, high, 21)
        expected = (edges[1] - edges[0]) / (high - low)
    left.hist(taus, bins=list(edges), weights=np.full(len(taus), 1 / len(taus)), color="#009E73", edgecolor="white")
    left.axhline(expected, color="black", linestyle="--", linewidth=1.2, label="uniform distribution")
    left.set_xlabel("temperature τ of a batch")
    left.set_ylabel("share of batches")
    left.set_ylim(0, 1.25 * left.get_ylim()[1])
    left.legend(loc="upper center")
    last = steps[steps["epoch"] >= steps["epoch"].max() / 2]
    right.plot(last["tau"], last["loss"], ".", color="#009E73", alpha=0.25, markersize=4, label="one batch")
    bins = np.digitize(last["tau"].to_numpy(dtype=np.float64), edges) - 1
    middle = last.groupby(bins)[["tau", "loss"]].mean()
    right.plot(middle["tau"], middle["loss"], "-", color="black", linewidth=1.5, label="mean")
    right.set_xlabel("temperature τ of a batch")
    right.set_ylabel("training loss of the batch")
    right.set_ylim(top=right.get_ylim()[1] + 0.2 * np.ptp(right.get_ylim()))
    right.legend(loc="upper center", ncols=2)
    for axes in (left, right):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    caption = (
        "Left: the τ that were drawn, against a uniform distribution over their range. Right: loss of a batch against "
        "its τ, second half of the epochs. All stochastic campaigns of this setting."
    )
    alt = f"{len(taus)} batches, τ from {low:g} to {high:g}, mean {taus.mean():.2f}."
    return "Trace of the drawn temperatures", caption, alt, figure
