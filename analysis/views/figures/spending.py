"""Accuracy against what was spent: the paper's figure 1 (a), cost to reach, the Pareto front."""

import math

import pandas as pd
from matplotlib.figure import Figure

from analysis import units
from analysis.frames.groupby import groups, rows_of
from analysis.results.verdict import plain
from analysis.views.figures.setting import HEIGHT, WIDTH, Drawn, Setting, log_if_wide, panels_of
from analysis.views.style import TEACHER


def accuracy_against_co2(setting: Setting) -> Drawn:
    """The paper's figure 1 (a): accuracy against log₁₀ of the grams spent by then."""
    reach = setting.reach
    if reach.empty or not (reach["co2eq_g"] > 0).all():
        return None
    teacher = setting.runs[["teacher_co2eq_g"]].mean().iloc[0]
    factor, unit = units.scale("co2eq_g", [*reach["co2eq_g"], teacher])
    figure = Figure(figsize=(WIDTH, HEIGHT))
    (axes,) = panels_of(figure)
    said, ends, epoch_lows = [], [], []
    spent = [value * factor for value in reach["co2eq_g"]]
    for (label,), curve in groups(reach, ["strategy"], sort=False):
        look = setting.looks[label]
        grams, accuracy = curve["co2eq_g"] * factor, 100 * curve["val_score"]
        if len(curve) == 1:
            epochs = _epoch_curve(setting, label, float(curve["co2eq_g"].iloc[0]))
            if epochs is not None:
                axes.plot(epochs[0] * factor, 100 * epochs[1], color=look.color, linestyle=look.line, linewidth=1.2)
                spent += [float(value) * factor for value in epochs[0]]
                epoch_lows.append(100 * float(epochs[1].min()))
        else:
            axes.plot(grams, accuracy, color=look.color, linestyle=look.line, linewidth=1.2)
        axes.plot(grams.iloc[-1:], accuracy.iloc[-1:], look.marker, color=look.color, markersize=8, label=plain(label))
        ends.append(float(accuracy.iloc[-1]))
        said.append(f"{plain(label)} ends at {units.figure(grams.iloc[-1])} {unit} and {accuracy.iloc[-1]:.2f} %")
    accuracies = setting.sweep.campaigns.loc[
        setting.sweep.campaigns["campaign"].isin([n for run in setting.runs["campaigns"] for n in run]),
        "teacher_test_score",
    ]
    if teacher > 0 and accuracies.notna().any():
        top = 100 * accuracies.mean()
        axes.plot([teacher * factor], [top], TEACHER.marker, color=TEACHER.color, markersize=13, label="teacher (test)")
        said.append(f"the teacher's training took {units.figure(teacher * factor)} {unit} for {top:.2f} %")
        spent.append(teacher * factor)
        ends.append(top)
    log_if_wide(axes, spent)
    axes.set_xlabel(f"cumulative {unit}, log scale")
    axes.set_ylabel("validation accuracy, %")
    ends.sort()
    if epoch_lows and min(epoch_lows) < 2 * ends[0] - ends[-1] - 1:
        axes.set_ylim(bottom=2 * ends[0] - ends[-1] - 1)  # the first epochs would squeeze the ends together
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    caption = (
        "After figure 1 (a) of the paper. Strategies of one training: validation accuracy epoch by epoch, grams shared "
        "equally among the epochs. Searching strategies: best validation accuracy so far, trial by trial (grids: exact "
        "mean over all orders). Mean over seeds; the marker is the end; early epochs may lie below the axis. Star: the "
        "teacher's test accuracy and what its training cost."
    )
    return "Accuracy against cumulative CO₂", caption, "; ".join(said) + ".", figure


def _epoch_curve(setting: Setting, label: str, grams: float) -> tuple["pd.Series[float]", "pd.Series[float]"] | None:
    runs = setting.runs[setting.runs["strategy"] == label]
    wanted = {(run["campaigns"][0], run["trial"]) for run in rows_of(runs)}
    epochs = setting.sweep.epochs
    epochs = epochs[epochs["campaign"].isin([campaign for campaign, _ in wanted]) & epochs["val_score"].notna()]
    own = epochs[[pair in wanted for pair in zip(epochs["campaign"], epochs["trial"], strict=True)]]
    if own.empty:
        return None
    mean = own.groupby("epoch")["val_score"].mean()
    shares = (mean.index.to_series() + 1) / (mean.index.max() + 1)
    return shares * grams, mean


def draw_cost_to_reach(setting: Setting) -> Drawn:
    """Best validation accuracy so far, and what the trial chosen by then gets, against what was spent."""
    reach = setting.reach
    if reach.empty or (reach["k"] == 1).all():
        return None
    basis = next((name for name in ("energy_kwh", "cpu_s", "duration_s") if (reach[name] > 0).all()), None)
    if basis is None:
        return None
    factor, unit = units.scale(basis, reach[basis])
    figure = Figure(figsize=(WIDTH + 1.4, HEIGHT))
    panels = panels_of(figure, 2)
    said = []
    for (label,), curve in groups(reach, ["strategy"], sort=False):
        look = setting.looks[label]
        spent = curve[basis] * factor
        if len(curve) > 1 and curve["val_low"].notna().all():
            panels[0].fill_between(
                spent, 100 * curve["val_low"], 100 * curve["val_high"], color=look.color, alpha=0.15, linewidth=0
            )
        for axes, name in zip(panels, ("val_score", "test_score"), strict=True):
            axes.plot(
                spent,
                100 * curve[name],
                color=look.color,
                linestyle=look.line,
                marker=look.marker,
                markersize=8 if len(curve) == 1 else 4,
                linewidth=1.3,
                label=plain(label),
            )
        said.append(
            f"{plain(label)}: {100 * curve['test_score'].iloc[-1]:.2f} % test accuracy "
            f"after {units.figure(spent.iloc[-1])} {unit}"
        )
    what = {"energy_kwh": "energy", "cpu_s": "CPU time", "duration_s": "time"}[basis]
    for axes, title in zip(panels, ("best so far, validation", "the chosen trial, test"), strict=True):
        log_if_wide(axes, list(reach[basis] * factor))
        axes.set_title(title, fontsize=10)
        axes.set_xlabel(f"{what} spent, {unit}")
        axes.set_ylabel("accuracy, %")
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    caption = (
        "Left: best validation accuracy by the time so much was spent; right: test accuracy of the trial "
        "chosen by then. A grid has no order: the line is the exact expectation over all orders in which its trials "
        "could have been run, the band holds 5 to 95 % of them. A search is shown as it ran. Mean over seeds."
    )
    return "Cost to reach an accuracy", caption, "; ".join(said) + ".", figure


def pareto(setting: Setting) -> Drawn:
    """Test accuracy against the energy of choosing τ, with the strategies nothing beats in both."""
    rows = [row for row in setting.rows if row["tuning_energy_kwh"] > 0 and not math.isnan(row["test_score_mean"])]
    if not rows:
        return None
    factor, unit = units.scale("energy_kwh", [row["tuning_energy_kwh"] for row in rows])
    figure = Figure(figsize=(WIDTH, HEIGHT))
    (axes,) = panels_of(figure)
    points = [(row["tuning_energy_kwh"] * factor, 100 * row["test_score_mean"], row) for row in rows]
    points.sort(key=lambda point: (point[0], -point[1]))
    front: list[tuple[float, float]] = []
    names = []
    for spent, accuracy, row in points:
        look = setting.looks[row["strategy"]]
        sd = row["test_score_sd"]
        axes.errorbar(
            [spent],
            [accuracy],
            yerr=None if math.isnan(sd) else [100 * sd],
            color=look.color,
            marker=look.marker,
            markersize=9,
            capsize=4,
            linestyle="none",
            label=plain(row["strategy"]),
        )
        if not front or accuracy > front[-1][1]:
            front.append((spent, accuracy))
            names.append(plain(row["strategy"]))
    axes.step(*zip(*front, strict=True), where="post", color="#999999", linewidth=1, zorder=0, label="Pareto front")
    log_if_wide(axes, [point[0] for point in points])
    axes.margins(x=0.15)
    axes.set_xlabel(f"energy of choosing τ, {unit}")
    axes.set_ylabel("test accuracy, %")
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)
    caption = "Mean over seeds, bars: ± 1 sd. Strategies below the grey line are beaten in both by another one."
    return "Pareto front of accuracy against energy", caption, f"On the front: {', '.join(names)}.", figure
