"""The picture that the report opens with: what choosing τ cost, and what it bought, with its interval."""

import math
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from analysis import units
from analysis.results.spending import in_words
from analysis.results.standings import Standing
from analysis.results.verdict import Verdict
from analysis.results.verdict_words import interval, plain, signed
from analysis.views.figures.setting import WIDTH, Drawing, Setting
from analysis.views.metric_words import metric_words
from analysis.views.style import VERDICT_COLORS

_ROW, _AROUND = 0.42, 1.05  # inches: a row, and what stands above and below the rows
_SHARES = (1.0, 1.9)  # widths of the panels of cost and of gain
_COST, _MARGIN = "#7F8C99", "#E69F00"
_NAME_WIDTH = 26  # letters
MOST_ROWS = 12


def cost_and_gain(setting: Setting) -> Drawing | None:
    """Draws every strategy of a setting that has a verdict over the setting's reference."""
    judged = [standing for standing in setting.standings if standing.verdict is not None]
    return draw_standings(judged, [plain(standing.strategy) for standing in judged])


def draw_standings(judged: Sequence[Standing], names: Sequence[str]) -> Drawing | None:
    """Draws a row per strategy: on the left its cost over its reference's, on the right its gain with the interval.

    Args:
        judged: Standings with a verdict.
        names: What each row is called.
    """
    rows = [
        (name, standing.verdict)
        for name, standing in zip(names, judged, strict=True)
        if standing.verdict is not None and standing.verdict.seeds > 0
    ]
    if not rows:
        return None

    figure = Figure(figsize=(WIDTH, _AROUND + _ROW * len(rows)))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=_SHARES)
    multiples = [_multiple(verdict) for _, verdict in rows]
    _draw_costs(left, rows, multiples)
    _draw_gains(right, rows)

    controls = list(dict.fromkeys(plain(verdict.control) for _, verdict in rows))
    over = controls[0] if len(controls) == 1 else "the reference of its setting"
    first = rows[0][1]
    metric = metric_words(verdict.metric for _, verdict in rows).name
    return Drawing(
        title=f"What choosing τ cost, and what it bought, over {over}",
        caption=(
            f"Left: cost as a multiple of {over}. Right: gain in test {metric}; the line through a dot is the interval "
            f"of its verdict. Worth paying for is what lies right of the dashed line, the margin of {first.margin:g} "
            "points. Its word says where the whole interval lies."
        ),
        alt="; ".join(_said(name, verdict, multiple) for (name, verdict), multiple in zip(rows, multiples, strict=True))
        + ".",
        figure=figure,
        points={
            "costs": tuple(
                f"{name}: {_in_multiples(verdict, multiple)}"
                for (name, verdict), multiple in zip(rows, multiples, strict=True)
            ),
            **{f"gain-{number}": (_in_points(name, verdict),) for number, (name, verdict) in enumerate(rows)},
        },
    )


def _draw_costs(axes: Axes, rows: Sequence[tuple[str, Verdict]], multiples: Sequence[float]) -> None:
    """Draws the multiples as dots on lines that begin at one: the cost of the reference."""
    known = [value for value in multiples if not math.isnan(value)]
    places = range(len(rows))
    axes.hlines(places, 1.0, multiples, color=_COST, linewidth=5, alpha=0.55)
    axes.plot(multiples, places, "s", color=_COST, markersize=6, linestyle="none", gid="costs")
    for place, value in enumerate(multiples):
        if not math.isnan(value):
            axes.annotate(
                units.multiple(value), (max(value, 1.0), place), (6, 0), textcoords="offset points", va="center",
                fontsize=8,
            )  # fmt: skip

    axes.axvline(1.0, color="black", linewidth=0.8)
    low, high = min([1.0, *known]), max([1.0, *known])
    if high > 5 * low:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(NullLocator())
        axes.set_xlim(low / 1.3, high * (high / low) ** 0.45)
    else:
        reach = max(high - low, 0.5)
        axes.set_xlim(low - 0.1 * reach, high + 0.5 * reach)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}×")

    axes.set_yticks(list(places), [textwrap.fill(name, _NAME_WIDTH) for name, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -1.0)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    basis = rows[0][1].costs.basis
    axes.set_xlabel(f"× {in_words(basis)}")
    axes.set_title("what it cost", fontsize=9.5, loc="left", fontweight="bold")


def _draw_gains(axes: Axes, rows: Sequence[tuple[str, Verdict]]) -> None:
    """Draws each gain with its interval in the colour of its verdict, and the margin as a dashed line."""
    for place, (_, verdict) in enumerate(rows):
        gain, color = float(verdict.gain.value), VERDICT_COLORS[verdict.decision]
        ends = [end for end in (verdict.low, verdict.high) if math.isfinite(end)]
        if verdict.seeds > 1 and len(ends) == 2:
            axes.plot(ends, [place, place], "-", color=color, linewidth=5, alpha=0.45, solid_capstyle="butt")
        axes.plot([gain], [place], "o", color=color, markersize=7, gid=f"gain-{place}")
        axes.annotate(
            verdict.decision, (gain, place), (0, 6), textcoords="offset points", ha="center", va="bottom", fontsize=8,
            color=color, fontweight="bold", bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
        )  # fmt: skip

    margin = rows[0][1].margin
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.axvline(margin, color=_MARGIN, linewidth=1.6, linestyle="--")
    axes.annotate(
        "margin", (margin, 1), (3, -2), xycoords=("data", "axes fraction"), textcoords="offset points", va="top",
        fontsize=7.5, color="#8A5A00",
    )  # fmt: skip
    axes.margins(x=0.12)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"gain in test {metric_words(verdict.metric for _, verdict in rows).name}, points")
    axes.set_title("what it bought", fontsize=9.5, loc="left", fontweight="bold")


def _multiple(verdict: Verdict) -> float:
    return verdict.costs.multiples[verdict.costs.basis]


def _in_multiples(verdict: Verdict, multiple: float) -> str:
    spent = f", {verdict.costs.spent} more" if verdict.costs.extra > 0 else ""
    return f"{units.multiple(multiple)} the {in_words(verdict.costs.basis)} of {plain(verdict.control)}{spent}"


def _in_points(name: str, verdict: Verdict) -> str:
    ends = f" ({interval(verdict.low, verdict.high)})" if verdict.seeds > 1 else ""
    count = "1 seed" if verdict.seeds == 1 else f"{verdict.seeds} seeds"
    return f"{name}: {signed(float(verdict.gain.value))} points{ends}, {count}: {verdict.decision}"


def _said(name: str, verdict: Verdict, multiple: float) -> str:
    return f"{_in_points(name, verdict)}; it took {_in_multiples(verdict, multiple)}"
