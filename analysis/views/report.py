"""One self-contained page: verdict first, then tables, curves, figures, and where every number comes from.

Libraries are embedded, not linked: plotly.js (MIT, shipped in the plotly package) draws the curves, DataTables (MIT,
shipped in the itables package) sorts and filters. Without JavaScript the tables and figures are all there.
"""

import base64
import dataclasses
import importlib.resources
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2

from analysis.frames.load import Sweep
from analysis.results.comparison import Comparison
from analysis.results.equal_energy import equal_energy
from analysis.results.response import SettingResponse, responses
from analysis.results.verdict import MARGIN_POINTS, Verdict, verdicts
from analysis.views.comparison_table import comparison_tables
from analysis.views.data_free import choice_tables, sheets
from analysis.views.figures import Picture, figures, write_picture
from analysis.views.inference_table import inference_tables
from analysis.views.output import write_output
from analysis.views.paper_table import paper_table
from analysis.views.plotly_charts import Chart, charts
from analysis.views.provenance_table import provenance_tables
from analysis.views.reach_table import equal_energy_tables, reach_tables
from analysis.views.table import Table
from analysis.views.verdict_table import verdict_table

_NUMBER = re.compile(r"[-−+]?\d[\d,]*\.?\d*")


@dataclasses.dataclass(frozen=True)
class SourceCheck:
    """Whether every table row and figure of a report leads to records that exist.

    Attributes:
        rows: Rows of the comparison and of the verdicts that were followed.
        figures: Figures and curves that were followed.
        folders: Campaign folders that they lead to.
        lost: A sentence for each that leads nowhere.
    """

    rows: int
    figures: int
    folders: int
    lost: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the page opens with for one setting.

    Attributes:
        first_line: What any τ can gain; empty where fewer than two were trained.
        picture: The response to τ, and its SVG as base64 text; None where it cannot be drawn.
        verdicts: The setting's.
    """

    first_line: str
    picture: tuple[Picture, str] | None
    verdicts: tuple[Verdict, ...]


def write_report(
    sweep: Sweep,
    comparison: Comparison,
    folder: Path,
    *,
    judged: Sequence[Verdict] | None = None,
    baseline: str = "stochastic",
    margin: float = MARGIN_POINTS,
) -> Path:
    """Writes `report.html` and, beside it, `figures/*.png` and `*.svg`.

    Args:
        sweep: The records.
        comparison: What `compare` made of them.
        folder: Where to write.
        judged: What `verdicts` made of the comparison; None judges it with the default margin.
        baseline: The cheap strategy that tuning is held against.
        margin: The margin that `judged` was made with, percentage points.

    Returns:
        The path of the page.
    """
    if judged is None:
        judged = verdicts(comparison, baseline=baseline, margin=margin)

    # What is shown, and whether all of it leads to records.
    tables = comparison_tables(sweep, comparison, baseline=baseline)
    pictures = list(figures(sweep, comparison))
    curves = charts(sweep, comparison)
    bounds = responses(comparison)
    check = check_sources(sweep, tables, judged, pictures, curves, bounds)
    embedded = [(picture, _embedded(picture, folder)) for picture in pictures]

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.views", "page"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["order"] = sort_key
    page = environment.get_template("report.html.j2").render(
        title=", ".join(sorted(set(sweep.campaigns["sweep"]))) or "sweep",
        roots=[str(root) for root in sweep.roots],
        answers=_answers(bounds, judged, embedded, margin),
        verdict_table=verdict_table(judged) if judged else None,
        comparisons=tables,
        campaigns={str(path): number for number, path in sweep.folders.items()},
        charts=[(f"chart-{number}", chart, _plotly(chart)) for number, chart in enumerate(curves)],
        reach=reach_tables(comparison.reach, comparison.runs),
        equal=equal_energy_tables(equal_energy(sweep, comparison.runs, comparison.reach)),
        pictures=[(picture, content) for picture, content in embedded if not picture.leads],
        paper=paper_table(comparison),
        inference=inference_tables(sweep),
        choices=choice_tables(sweep),
        sheets=sheets(sweep),
        provenance=provenance_tables(sweep, comparison),
        problems=sweep.problems,
        check=check,
        libraries=_libraries(with_plotly=bool(curves)),
    )

    return write_output(folder / "report.html", page)


def check_sources(
    sweep: Sweep,
    tables: Sequence[Table],
    judged: Sequence[Verdict],
    pictures: Sequence[Picture],
    curves: Sequence[Chart],
    bounds: Sequence[SettingResponse] = (),
) -> SourceCheck:
    """Follows every row of the comparison, every verdict, bound and figure to its campaigns' records."""
    folder_of = {number: str(path) for number, path in sweep.folders.items()}

    # What is claimed, and the folders it rests on.
    claims: list[tuple[str, tuple[str, ...]]] = [
        (f"{table.title}: {row[0]}", anchors)
        for table in tables
        for row, anchors in zip(table.rows, table.anchors, strict=True)
    ]
    claims += [(verdict.sentence, tuple(folder_of[number] for number in verdict.campaigns)) for verdict in judged]
    claims += [(bound.score.name, tuple(folder_of[number] for number in bound.campaigns)) for bound in bounds]
    shown = [(picture.title, picture.campaigns) for picture in pictures]
    shown += [(curve.title, curve.campaigns) for curve in curves]
    claims += [(title, tuple(folder_of[number] for number in numbers)) for title, numbers in shown]

    lost = []
    for claim, paths in claims:
        missing = [path for path in paths if not (Path(path) / "campaign.json").exists()]
        lost += [f"{claim}: no records in {path}" for path in missing]
        if not paths:
            lost.append(f"{claim}: no campaign behind it")

    rows = sum(len(table.rows) for table in tables) + len(judged)
    folders = {path for _, paths in claims for path in paths}
    return SourceCheck(rows, len(shown), len(folders), tuple(lost))


def sort_key(cell: str) -> str:
    """Returns what a cell sorts by: its first number, a missing one below everything."""
    match = _NUMBER.search(cell)
    return match.group().replace(",", "").replace("−", "-") if match else "-1e300"


def _answers(
    bounds: Sequence[SettingResponse],
    judged: Sequence[Verdict],
    embedded: Sequence[tuple[Picture, str]],
    margin: float,
) -> list[Answer]:
    """Returns what the page opens with, setting by setting."""
    responses = {bound.setting: bound for bound in bounds}
    leading = {picture.setting: (picture, content) for picture, content in embedded if picture.leads}
    settings = dict.fromkeys([*responses, *(verdict.setting for verdict in judged)])

    return [
        Answer(
            first_line=responses[setting].sentence(margin) if setting in responses else "",
            picture=leading.get(setting),
            verdicts=tuple(verdict for verdict in judged if verdict.setting == setting),
        )
        for setting in settings
    ]


def _embedded(picture: Picture, folder: Path) -> str:
    """Writes a picture's files and returns its SVG as base64 text."""
    _, svg = write_picture(picture, folder / "figures")
    return base64.b64encode(svg.read_bytes()).decode()


def _plotly(chart: Chart) -> str:
    content: dict[str, Any] = {
        "traces": chart.traces,
        "x": chart.x_title,
        "y": chart.y_title,
        "log": chart.log_x,
    }

    # `<` could end the script element that carries the data.
    return json.dumps(content, allow_nan=False).replace("<", "\\u003c")


def _libraries(*, with_plotly: bool) -> dict[str, str]:
    tables = importlib.resources.files("itables") / "html"
    plotly = importlib.resources.files("plotly") / "package_data" / "plotly.min.js"

    return {
        "datatables": base64.b64encode((tables / "dt_bundle.js").read_bytes()).decode(),
        "datatables_css": (tables / "dt_bundle.css").read_text(encoding="utf-8"),
        "plotly": base64.b64encode(plotly.read_bytes()).decode() if with_plotly else "",
    }
