"""Scores against what was spent: the paper's figure 1 (a) and cost to reach."""

from typing import TypeAlias

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import units
from analysis.frames import columns
from analysis.frames.groupby import groups, rows_of
from analysis.results.spending import constant_share, has_sensor, spending_basis
from analysis.results.verdict_words import plain
from analysis.views.figures.setting import HEIGHT, PANEL_HEIGHT, WIDTH, Drawing, Setting, log_if_wide, panels_of
from analysis.views.style import TEACHER

Floats: TypeAlias = "pd.Series[float]"


def score_against_co2(setting: Setting) -> Drawing | None:
    """Draws the paper's figure 1 (a): the score against log₁₀ of the grams spent by then."""
    reach = setting.reach
    if reach.empty or not (reach["co2eq_g"] > 0).all():
        return None

    words = setting.words
    teacher_g = setting.runs["teacher_co2eq_g"].mean()
    factor, unit = units.scale("co2eq_g", [*reach["co2eq_g"], teacher_g])
    figure = Figure(figsize=(WIDTH, HEIGHT))
    (axes,) = panels_of(figure)

    # The strategies: a line for the way, a marker for the end.
    said, grams_drawn, ends, epoch_scores = [], list(reach["co2eq_g"] * factor), [], []
    for (label,), curve in groups(reach, ["strategy"], sort=False):
        look = setting.looks[label]
        grams, scores = curve["co2eq_g"] * factor, words.scale * curve["val_score"]
        line = (grams, scores)
        if len(curve) == 1:
            line = _epoch_curve(setting, label, float(curve["co2eq_g"].iloc[0]), factor)
            grams_drawn += list(line[0])
            epoch_scores += list(line[1])
        if len(line[0]):
            axes.plot(*line, color=look.color, linestyle=look.line, linewidth=1.2)
        axes.plot(grams.iloc[-1:], scores.iloc[-1:], look.marker, color=look.color, markersize=8, label=plain(label))
        ends.append(float(scores.iloc[-1]))
        said.append(f"{plain(label)} ends at {units.figure(grams.iloc[-1])} {unit} and {ends[-1]:.2f} {words.unit}")

    # The teacher: one star.
    campaigns = setting.sweep.campaigns
    teacher_scores = campaigns.loc[campaigns["campaign"].isin(setting.campaigns), "teacher_test_score"]
    if teacher_g > 0 and teacher_scores.notna().any():
        teacher, score = teacher_g * factor, words.scale * teacher_scores.mean()
        axes.plot([teacher], [score], TEACHER.marker, color=TEACHER.color, markersize=13, label="teacher (test)")
        said.append(f"the teacher's training took {units.figure(teacher)} {unit} for {score:.2f} {words.unit}")
        grams_drawn.append(teacher)
        ends.append(score)

    log_if_wide(axes, grams_drawn)
    axes.set_xlabel(f"cumulative {unit}, log scale")
    axes.set_ylabel(f"validation {words.axis}")
    _cut_first_epochs(axes, epoch_scores, ends)
    figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=3)

    return Drawing(
        title=f"{words.title} against cumulative CO₂",
        caption=(
            f"After figure 1 (a) of the paper. Strategies of one training: validation {words.name} epoch by epoch, "
            f"grams shared equally among the epochs. Searching strategies: best validation {words.name} so far, trial "
            "by trial (grids: exact mean over all orders). Mean over seeds; the marker is the end; early epochs may "
            f"lie below the axis. Star: the teacher's test {words.name} and what its training cost."
            f"{_on_modelled_grams(setting)}"
        ),
        alt="; ".join(said) + ".",
        figure=figure,
    )


def _on_modelled_grams(setting: Setting) -> str:
    """Returns what has to be said of grams that no sensor stands behind; nothing where one does."""
    if has_sensor(setting.runs["meter"]):
        return ""

    energy, constant = (float(setting.runs[f"tuning_{name}"].sum()) for name in ("energy_kwh", "constant_kwh"))
    share = constant_share(energy, constant)
    by_clock = f", {100 * share:.0f} % of them a constant wattage × wall-clock time" if share > 0 else ""
    return f" No sensor was read: these grams are a model's{by_clock}."


def _epoch_curve(setting: Setting, label: str, grams: float, factor: float) -> tuple[Floats, Floats]:
    """Returns grams and validation score after each epoch of a strategy of one training, in the units of the axes.

    Both are empty where no epochs are on record.
    """
    runs = setting.runs[setting.runs["strategy"] == label]
    trials = {(run["campaigns"][0], run["trial"]) for run in rows_of(runs)}

    epochs = setting.sweep.epochs_of(campaign for campaign, _ in trials)
    epochs = epochs[epochs["val_score"].notna()]
    is_of_trials = [pair in trials for pair in zip(epochs["campaign"], epochs["trial"], strict=True)]
    mean = epochs[pd.Series(is_of_trials, index=epochs.index, dtype=bool)].groupby("epoch")["val_score"].mean()

    shares = (mean.index.to_series() + 1) / (mean.index.max() + 1)
    return shares * grams * factor, setting.words.scale * mean


def _cut_first_epochs(axes: Axes, epoch_scores: list[float], ends: list[float]) -> None:
    """Lets the axis begin a little below the lowest end: the first epochs would squeeze the ends together."""
    lowest = 2 * min(ends) - max(ends) - 1
    if epoch_scores and min(epoch_scores) < lowest:
        axes.set_ylim(bottom=lowest)


def draw_cost_to_reach(setting: Setting) -> Drawing | None:
    """Draws the best validation score so far, and what the trial chosen by then gets, against what was spent."""
    reach = setting.reach
    if reach.empty or (reach["k"] == 1).all():
        return None
    basis = spending_basis(setting.runs["meter"], reach)
    if basis is None or not (reach[basis] > 0).all():
        return None

    words = setting.words
    factor, unit = units.scale(basis, reach[basis])
    figure = Figure(figsize=(WIDTH, 2 * PANEL_HEIGHT + 0.5))
    panels = panels_of(figure, 2)

    said, points = [], {}
    for number, ((label,), curve) in enumerate(groups(reach, ["strategy"], sort=False)):
        _draw_curve(panels, setting, label, curve, curve[basis] * factor, gid=f"curve-{number}")
        points[f"curve-{number}-val_score"] = points[f"curve-{number}-test_score"] = [
            f"{plain(label)}, {row['k']} training(s), {units.figure(row[basis] * factor)} {unit}: validation "
            f"{words.text(row['val_score'])} {words.unit}, test {words.text(row['test_score'])} {words.unit}"
            for row in rows_of(curve)
        ]
        spent = units.figure(curve[basis].iloc[-1] * factor)
        score = words.text(curve["test_score"].iloc[-1])
        said.append(f"{plain(label)}: {score} {words.unit} test {words.name} after {spent} {unit}")

    for axes, title in zip(panels, ("best so far, validation", "the chosen trial, test"), strict=True):
        log_if_wide(axes, list(reach[basis] * factor))
        axes.set_title(title, fontsize=9, loc="left")
        axes.set_ylabel(words.axis)
    panels[1].set_xlabel(f"{columns.SPENDING[basis]} spent, {unit}")
    figure.legend(*panels[1].get_legend_handles_labels(), loc="outside lower center", ncols=3)

    return Drawing(
        title=f"Cost to reach {words.phrase}",
        caption=(
            f"Above: best validation {words.name} by the time so much was spent; below: test {words.name} of the trial "
            "chosen by then. A grid has no order: the line is the exact expectation over all orders in which its "
            "trials could have been run, the band holds 5 to 95 % of them. A search is shown as it ran. Mean over "
            "seeds."
        ),
        alt="; ".join(said) + ".",
        figure=figure,
        points=points,
    )


def _draw_curve(
    panels: list[Axes], setting: Setting, label: str, curve: pd.DataFrame, spent: Floats, *, gid: str
) -> None:
    """Draws one strategy: the validation score with its band above, the test score below."""
    look, scale = setting.looks[label], setting.words.scale
    if len(curve) > 1 and curve["val_low"].notna().all():
        panels[0].fill_between(
            spent, scale * curve["val_low"], scale * curve["val_high"], color=look.color, alpha=0.15, linewidth=0
        )

    for axes, name in zip(panels, ("val_score", "test_score"), strict=True):
        axes.plot(
            spent,
            scale * curve[name],
            color=look.color,
            linestyle=look.line,
            marker=look.marker,
            markersize=8 if len(curve) == 1 else 4,
            linewidth=1.3,
            label=plain(label),
            gid=f"{gid}-{name}",
        )
