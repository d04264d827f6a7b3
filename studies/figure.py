"""The picture of a study: what every way of choosing τ gained over one training at τ = 4, and what it cost."""

import io
import math
from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import analysis
from analysis import units
from analysis.results.verdict import Verdict
from analysis.results.verdict_words import plain
from analysis.views.metric_words import metric_words
from analysis.views.output import write_output
from studies.running import load_records
from studies.study import Study

_STYLE = {"font.size": 9, "svg.fonttype": "path", "svg.hashsalt": "greenkd", "axes.spines.top": False}
_WIDTH = 3.1  # inches of one setting
_ROW = 0.24  # inches of one way of choosing τ
_DECIDED, _OPEN = "#1b6f78", "#8a8a8a"


def write_figure(study: Study, path: Path) -> Path:
    """Draws the gains of a study as SVG; the same records give the same file.

    Args:
        study: The study, whose records are read.
        path: The file that is written.
    """
    comparison = analysis.compare(load_records(study))
    judged = analysis.verdicts(comparison, margin=study.plan.margin)
    over_fixed = [verdict for verdict in judged if plain(verdict.control).startswith("fixed") and verdict.seeds > 1]

    buffer = io.BytesIO()
    with mpl.rc_context(_STYLE):
        figure = gains_figure(over_fixed, study.plan.margin)
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Title": "Gain over one training at τ = 4"})
    return write_output(path, buffer.getvalue())


def gains_figure(judged: list[Verdict], margin: float) -> Figure:
    """Draws one panel per setting, one row per way of choosing τ.

    Args:
        judged: Verdicts over fixed τ.
        margin: Smallest gain worth paying for, percentage points.
    """
    settings = list(dict.fromkeys(verdict.setting for verdict in judged))
    by_rows = sorted(judged, key=lambda verdict: -sum(verdict.setting == other.setting for other in judged))
    names = list(dict.fromkeys(plain(verdict.strategy) for verdict in by_rows))
    figure = Figure(figsize=(1.2 + _WIDTH * len(settings), 1.1 + _ROW * len(names)), layout="constrained")

    panels = figure.subplots(1, len(settings), sharey=True, squeeze=False)[0]
    for axes, setting in zip(panels, settings, strict=True):
        _draw(axes, [verdict for verdict in judged if verdict.setting == setting], names, margin)
    panels[0].set_yticks(range(len(names)), names)
    panels[0].invert_yaxis()
    return figure


def _draw(axes: Axes, judged: list[Verdict], names: list[str], margin: float) -> None:
    dataset, teacher, student, _, _ = judged[0].setting
    axes.set_title(f"{dataset}\n{teacher} → {student}", fontsize=9)
    axes.set_xlabel(f"gain in test {metric_words([judged[0].metric]).name}, points")
    axes.axvline(0, color="#bbbbbb", linewidth=0.8)
    axes.axvline(margin, color="#c0504d", linewidth=0.8, linestyle="--")

    # Wide intervals are cut, so that the gains can be read.
    reach = 1.5 * max(2.0, *(abs(float(verdict.gain.value)) for verdict in judged))
    axes.set_xlim(-reach, 1.35 * reach)
    axes.text(1.33 * reach, -0.75, "×FLOPs", ha="right", va="center", fontsize=7.5, color="#555555")
    for verdict in judged:
        row = names.index(plain(verdict.strategy))
        gain, color = float(verdict.gain.value), _OPEN if verdict.decision == "cannot tell" else _DECIDED
        low, high = max(verdict.low, -reach), min(verdict.high, reach)
        axes.plot([low, high], [row, row], color=color, linewidth=1.6, solid_capstyle="butt")
        for end, cut in ((low, verdict.low < -reach), (high, verdict.high > reach)):
            if cut:
                axes.plot([end], [row], marker="<" if end < 0 else ">", color=color, markersize=3.5)
        axes.plot([gain], [row], marker="o", color=color, markersize=4.5)

        flops = verdict.costs.multiples["flops"]
        cost = units.MISSING if math.isnan(flops) else units.multiple(flops)
        axes.text(1.33 * reach, row, cost, ha="right", va="center", fontsize=7.5, color="#555555")
