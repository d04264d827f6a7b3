"""The picture that the report opens with: what choosing τ cost, and what it bought, with its interval."""

import math
import textwrap
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullLocator

from analysis import units
from analysis.results.spending import in_words
from analysis.results.standings import BY_INTEREST, Standing
from analysis.results.verdict import Verdict
from analysis.results.verdict_words import (
    BETTER,
    CANNOT_TELL,
    EQUAL,
    NO_BETTER,
    NOT_WORTH,
    WORTH,
    interval,
    plain,
    signed,
)
from analysis.views.figures.setting import WIDTH, Drawing, Setting
from analysis.views.metric_words import metric_words
from analysis.views.style import VERDICT_COLORS

_ROW, _AROUND = 0.3, 1.05  # inches: a row, and what stands above and below the rows
_SHARES = (1.0, 1.9)  # widths of the panels of cost and of gain
_COST, _MARGIN = "#7F8C99", "#E69F00"
_NAME_WIDTH = 26  # letters
MOST_ROWS = 12
_MEANING = {
    WORTH: "the whole line lies right of the margin",
    BETTER: "the whole line lies right of the margin",
    NOT_WORTH: "the whole line lies left of the margin",
    NO_BETTER: "the whole line lies left of the margin",
    CANNOT_TELL: "the line crosses the margin",
    EQUAL: "all scores are the same",
}


def cost_and_gain(setting: Setting) -> Drawing | None:
    """Draws every strategy of a setting that has a verdict over the setting's reference."""
    judged = [standing for standing in setting.standings if standing.verdict is not None]
    return draw_standings(judged, [plain(standing.strategy) for standing in judged])


def draw_standings(judged: Sequence[Standing], names: Sequence[str]) -> Drawing | None:
    """Draws a row per strategy: on the left its cost over its reference's, on the right its gain with the interval.

    Rows of one verdict stand together under its word, which is said once.

    Args:
        judged: Standings with a verdict.
        names: What each row is called.
    """
    known = [
        (name, standing.verdict)
        for name, standing in zip(names, judged, strict=True)
        if standing.verdict is not None and standing.verdict.seeds > 0
    ]
    if not known:
        return None

    rows = sorted(known, key=lambda row: BY_INTEREST.index(row[1].decision))
    places, headings = _places(
        [verdict.decision for _, verdict in rows], [textwrap.fill(name, _NAME_WIDTH) for name, _ in rows]
    )
    depth = max(places) + 0.7

    figure = Figure(figsize=(WIDTH, _AROUND + _ROW * (depth + 0.6)))
    left, right = figure.subplots(1, 2, sharey=True, width_ratios=_SHARES)
    multiples = [_multiple(verdict) for _, verdict in rows]
    _draw_costs(left, rows, multiples, places)
    _draw_gains(right, rows, places)
    left.set_ylim(depth, -0.6)

    # A heading begins above the costs and runs on above the gains.
    for decision, place in headings:
        right.annotate(
            _heading([verdict for _, verdict in rows if verdict.decision == decision]), (0.0, place),
            xycoords=left.get_yaxis_transform(), va="center", fontsize=8, fontweight="bold",
            color=VERDICT_COLORS[decision], annotation_clip=False, zorder=10,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.2},
        ).set_in_layout(False)  # fmt: skip

    controls = list(dict.fromkeys(plain(verdict.control) for _, verdict in rows))
    over = controls[0] if len(controls) == 1 else "the reference of its setting"
    first = rows[0][1]
    metric = metric_words(verdict.metric for _, verdict in rows).name
    return Drawing(
        title=f"What choosing τ cost, and what it bought, over {over}",
        caption=(
            f"Left: cost as a multiple of {over}. Right: gain in test {metric}; the line through a dot is the interval "
            f"of its verdict. Worth paying for is what lies right of the dashed line, the margin of {first.margin:g} "
            "points."
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


def _places(decisions: Sequence[str], names: Sequence[str]) -> tuple[list[float], list[tuple[str, float]]]:
    """Returns where each row stands, and each verdict with the place of its heading; both count down from zero."""
    places: list[float] = []
    headings: list[tuple[str, float]] = []
    below = 0.0
    for number, (decision, name) in enumerate(zip(decisions, names, strict=True)):
        if number == 0 or decision != decisions[number - 1]:
            headings.append((decision, below + 0.2))
            below += 1.1
        lines = 1 + name.count("\n")
        below += 0.22 * (lines - 1)
        places.append(below)
        below += 1.0 + 0.22 * (lines - 1)
    return places, headings


def _heading(judged: Sequence[Verdict]) -> str:
    """Returns the word of some verdicts, and what it says of the picture."""
    decision = judged[0].decision
    if decision != EQUAL and all(verdict.seeds == 1 for verdict in judged):
        return f"{decision}: one seed has no interval"
    return f"{decision}: {_MEANING[decision]}"


def _draw_costs(
    axes: Axes, rows: Sequence[tuple[str, Verdict]], multiples: Sequence[float], places: Sequence[float]
) -> None:
    """Draws the multiples as dots on lines that begin at one: the cost of the reference."""
    known = [value for value in multiples if not math.isnan(value)]
    axes.hlines(places, 1.0, multiples, color=_COST, linewidth=5, alpha=0.55)
    axes.plot(multiples, places, "s", color=_COST, markersize=6, linestyle="none", gid="costs")
    for place, value in zip(places, multiples, strict=True):
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
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.grid(axis="y", visible=False)
    basis = rows[0][1].costs.basis
    axes.set_xlabel(f"× {in_words(basis)}")
    axes.set_title("what it cost", fontsize=9.5, loc="left", fontweight="bold")


def _draw_gains(axes: Axes, rows: Sequence[tuple[str, Verdict]], places: Sequence[float]) -> None:
    """Draws each gain with its interval in the colour of its verdict, and the margin as a dashed line."""
    for number, (place, (_, verdict)) in enumerate(zip(places, rows, strict=True)):
        gain, color = float(verdict.gain.value), VERDICT_COLORS[verdict.decision]
        ends = [end for end in (verdict.low, verdict.high) if math.isfinite(end)]
        if verdict.seeds > 1 and len(ends) == 2:
            axes.plot(ends, [place, place], "-", color=color, linewidth=5, alpha=0.45, solid_capstyle="butt")
        axes.plot([gain], [place], "o", color=color, markersize=7, gid=f"gain-{number}")

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
