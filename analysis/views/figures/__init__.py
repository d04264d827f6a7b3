"""The figures, as matplotlib figures with a caption and an alternative text each. PNG and SVG."""

import dataclasses
import io
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
from matplotlib.figure import Figure

from analysis.frames import columns
from analysis.frames.groupby import groups
from analysis.frames.load import Sweep
from analysis.results.comparison import Comparison
from analysis.results.inference import inference
from analysis.results.response import SettingResponse, responses
from analysis.results.standings import Standing, main_standings
from analysis.results.verdict_words import plain
from analysis.views.figures.cost_and_gain import MOST_ROWS, cost_and_gain, draw_standings
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
from analysis.views.setting_names import setting_names, setting_place

_DPI = 160
_STYLE: Any = {
    "font.size": 9,
    "font.sans-serif": ["DejaVu Sans", "sans-serif"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "legend.fontsize": 8.5,
    "figure.constrained_layout.use": True,
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and set in the font of the page
    "svg.hashsalt": "greenkd",
}


@dataclasses.dataclass(frozen=True)
class Picture:
    """A figure under the name of its file, and what is said about it.

    Attributes:
        name: File name without its ending.
        heading: What it shows.
        place: Of which setting, in brackets; empty for several.
        caption: How to read it, with everything that is not on the axes.
        alt: What a reader who cannot see it has to know.
        figure: The drawing.
        campaigns: Numbers of the campaigns it is drawn from.
        setting: Data set, teacher, student, objective and setting_id.
        part: Where it stands in the report: one of PARTS.
        points: By the id of a group of marks in the SVG, what is said of each mark.
    """

    name: str
    heading: str
    place: str
    caption: str
    alt: str
    figure: Figure
    campaigns: tuple[int, ...]
    setting: tuple[str, ...]
    part: str
    points: Mapping[str, Sequence[str]]

    @property
    def title(self) -> str:
        """What it shows, and of which setting."""
        return f"{self.heading} {self.place}".strip()


ANSWER, TAU, SPENDING, MORE = "answer", "tau", "spending", "more"
PARTS = (ANSWER, TAU, SPENDING, MORE)

# By file name; `{metric}` is the name of the setting's metric. Each with its part of the report.
_FIGURES: dict[str, tuple[Callable[[Setting], Drawing | None], str]] = {
    "cost-and-gain": (cost_and_gain, ANSWER),
    "tau-response": (tau_response, TAU),
    "{metric}-vs-tau": (score_against_tau, TAU),
    "{metric}-map": (score_map, TAU),
    "cost-to-reach": (draw_cost_to_reach, SPENDING),
    "pareto": (pareto, SPENDING),
    "energy-by-phase": (energy_by_phase, SPENDING),
    "{metric}-vs-co2": (score_against_co2, SPENDING),
    "inference": (inference_bars, MORE),
    "tau-trace": (tau_trace, MORE),
    "tau-as-used": (tau_as_used, MORE),
    "detections": (draw_detections, MORE),
}


def figures(
    sweep: Sweep,
    comparison: Comparison,
    *,
    standings: Sequence[Standing] = (),
    only: Collection[tuple[str, ...]] | None = None,
    bounds: Sequence[SettingResponse] | None = None,
    networks: pd.DataFrame | None = None,
) -> Iterator[Picture]:
    """Draws every figure the records allow, setting by setting; what has no data is left out.

    Args:
        sweep: The records.
        comparison: What `compare` made of them.
        standings: What `standings` made of the verdicts; without any, cost and gain are not drawn.
        only: The settings to draw; None draws all.
        bounds: What `responses` returned; None asks for it.
        networks: What `inference` returned; None asks for it.
    """
    settings = groups(comparison.runs, columns.SETTING)
    networks = inference(sweep) if networks is None else networks
    response_of = {found.setting: found for found in (responses(comparison) if bounds is None else bounds)}

    for number, (key, runs) in enumerate(settings, start=1):
        if only is not None and key not in only:
            continue
        setting = Setting(sweep, comparison, key, runs, networks, response_of.get(key), standings)
        prefix = f"{number}-" if len(settings) > 1 else ""

        for name, (draw, part) in _FIGURES.items():
            with mpl.rc_context(_STYLE):
                drawing = draw(setting)
            if drawing is not None:
                yield _picture(
                    prefix + name.format(metric=setting.words.name.lower()),
                    drawing,
                    place=setting_place(key),
                    campaigns=setting.campaigns,
                    setting=key,
                    part=part,
                )


def overview(standings: Sequence[Standing]) -> Picture | None:
    """Draws the standing that speaks for each of several settings; None where there are fewer than two.

    Args:
        standings: What `standings` returned.
    """
    main = main_standings(standings)
    if len(main) < 2:
        return None

    shown, names = main[:MOST_ROWS], setting_names(standing.setting for standing in standings)
    with mpl.rc_context(_STYLE):
        drawing = draw_standings(
            shown, [f"{names[standing.setting]}: {plain(standing.strategy)}" for standing in shown]
        )
    if drawing is None:
        return None

    campaigns = sorted({number for one in shown if one.verdict is not None for number in one.verdict.campaigns})
    more = f" The {len(shown)} of {len(main)} settings that say most are shown." if len(shown) < len(main) else ""
    drawing = dataclasses.replace(drawing, caption=drawing.caption + more)
    return _picture("overview", drawing, place="", campaigns=tuple(campaigns), setting=shown[0].setting, part=ANSWER)


def _picture(
    name: str, drawing: Drawing, *, place: str, campaigns: tuple[int, ...], setting: tuple[str, ...], part: str
) -> Picture:
    return Picture(
        name=name,
        heading=drawing.title,
        place=place,
        caption=drawing.caption,
        alt=drawing.alt,
        figure=drawing.figure,
        campaigns=campaigns,
        setting=setting,
        part=part,
        points=drawing.points,
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
