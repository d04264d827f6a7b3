"""The figures, as matplotlib figures with a caption and an alternative text each. PNG and SVG."""

import dataclasses
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from analysis.frames import columns
from analysis.frames.groupby import groups
from analysis.frames.load import Sweep
from analysis.results.comparison import Comparison
from analysis.results.inference import inference
from analysis.results.response import responses
from analysis.views.figures.detections import draw_detections
from analysis.views.figures.energy import energy_by_phase, inference_bars
from analysis.views.figures.pareto import pareto
from analysis.views.figures.response import tau_response
from analysis.views.figures.search_map import score_map
from analysis.views.figures.setting import Drawing, Setting
from analysis.views.figures.spending import draw_cost_to_reach, score_against_co2
from analysis.views.figures.tau_as_used import tau_as_used
from analysis.views.figures.temperatures import score_against_tau, tau_trace
from analysis.views.output import write_output
from analysis.views.setting_names import setting_place

_DPI = 160
_STYLE: Any = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "figure.constrained_layout.use": True,
    "svg.fonttype": "path",
    "svg.hashsalt": "greenkd",
}


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure under the name of its file, and what is said about it.

    Attributes:
        name: File name without its ending.
        title: What it shows.
        caption: How to read it, with everything that is not on the axes.
        alt: What a reader who cannot see it has to know.
        figure: The drawing.
        campaigns: Numbers of the campaigns it is drawn from.
        setting: Data set, teacher, student, objective and setting_id.
        leads: Whether it stands at the top of the report, beside what it shows.
    """

    name: str
    title: str
    caption: str
    alt: str
    figure: Figure
    campaigns: tuple[int, ...]
    setting: tuple[str, ...]
    leads: bool


_LEADING = "tau-response"

# By file name; `{metric}` is the name of the setting's metric.
_FIGURES: dict[str, Callable[[Setting], Drawing | None]] = {
    _LEADING: tau_response,
    "{metric}-vs-co2": score_against_co2,
    "cost-to-reach": draw_cost_to_reach,
    "{metric}-vs-tau": score_against_tau,
    "{metric}-map": score_map,
    "pareto": pareto,
    "energy-by-phase": energy_by_phase,
    "inference": inference_bars,
    "tau-trace": tau_trace,
    "tau-as-used": tau_as_used,
    "detections": draw_detections,
}


def figures(sweep: Sweep, comparison: Comparison) -> Iterator[Picture]:
    """Draws every figure the records allow, setting by setting; what has no data is left out."""
    settings = groups(comparison.runs, columns.SETTING)
    reach = comparison.reach
    networks = inference(sweep)
    response_of = {response.setting: response for response in responses(comparison)}

    for number, (key, runs) in enumerate(settings, start=1):
        setting = Setting(sweep, comparison, key, runs, reach, networks, response_of.get(key))
        prefix = f"{number}-" if len(settings) > 1 else ""

        for name, draw in _FIGURES.items():
            with mpl.rc_context(_STYLE):
                drawing = draw(setting)
            if drawing is not None:
                yield Picture(
                    name=prefix + name.format(metric=setting.words.name.lower()),
                    title=f"{drawing.title} {setting_place(key)}",
                    caption=drawing.caption,
                    alt=drawing.alt,
                    figure=drawing.figure,
                    campaigns=setting.campaigns,
                    setting=key,
                    leads=name == _LEADING,
                )


def write_picture(picture: Picture, folder: Path) -> tuple[Path, Path]:
    """Writes `<name>.png` and `<name>.svg` and returns their paths."""
    png, svg = io.BytesIO(), io.BytesIO()
    with mpl.rc_context(_STYLE):
        picture.figure.savefig(png, dpi=_DPI, format="png")
        picture.figure.set_layout_engine("none")  # laid out by now; once more would take as long again
        # Without a date the same records give the same file.
        picture.figure.savefig(svg, metadata={"Date": None, "Title": picture.title}, format="svg")

    return (
        write_output(folder / f"{picture.name}.png", png.getvalue()),
        write_output(folder / f"{picture.name}.svg", svg.getvalue()),
    )
