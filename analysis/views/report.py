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
from analysis.results.cost_to_reach import cost_to_reach
from analysis.results.equal_energy import equal_energy
from analysis.results.inference import inference_tables
from analysis.results.verdict import MARGIN_POINTS, Verdict, verdicts
from analysis.views.comparison_table import comparison_tables
from analysis.views.figures import Picture, figures, write_picture
from analysis.views.paper_table import paper_table
from analysis.views.plotly_charts import Chart, charts
from analysis.views.provenance_table import provenance_tables
from analysis.views.table import Table
from analysis.views.verdict_table import equal_energy_tables, reach_tables, verdict_table

_NUMBER = re.compile(r"[-−+]?\d[\d,]*\.?\d*")


@dataclasses.dataclass(frozen=True)
class Trace:
    """Does every table row and figure lead to records that exist?"""

    rows: int
    figures: int
    folders: int
    lost: tuple[str, ...]


def write_report(
    sweep: Sweep,
    comparison: Comparison,
    folder: Path,
    *,
    margin: float = MARGIN_POINTS,
    baseline: str = "stochastic",
    mix_meters: bool = False,
) -> Path:
    """Writes `report.html` and, beside it, `figures/*.png` and `*.svg`.

    Args:
        sweep: The records.
        comparison: What `compare` made of them.
        folder: Where to write.
        margin: Smallest gain worth paying for, percentage points.
        baseline: The cheap strategy that tuning is held against.
        mix_meters: Set rows of different meters in one ratio all the same.
    """
    folder.mkdir(parents=True, exist_ok=True)
    found = verdicts(comparison, margin=margin, baseline=baseline, mix_meters=mix_meters)
    compared = comparison_tables(sweep, comparison, baseline=baseline)
    pictures = list(figures(sweep, comparison))
    drawn = charts(sweep, comparison)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.views", "page"), autoescape=True, undefined=jinja2.StrictUndefined
    )
    environment.filters["order"] = sort_key
    page = environment.get_template("report.html.j2").render(
        title=", ".join(sorted(set(sweep.campaigns["sweep"]))) or "sweep",
        roots=[str(root) for root in sweep.roots],
        verdicts=found,
        verdict_table=verdict_table(found) if found else None,
        comparisons=compared,
        campaigns={str(path): number for number, path in sweep.folders.items()},
        charts=[(f"chart-{number}", chart, _plotly(chart)) for number, chart in enumerate(drawn)],
        reach=reach_tables(cost_to_reach(sweep, comparison.runs)),
        equal=equal_energy_tables(equal_energy(sweep, comparison.runs)),
        pictures=[(picture, _embedded(picture, folder)) for picture in pictures],
        paper=paper_table(comparison),
        inference=inference_tables(sweep),
        provenance=provenance_tables(sweep, comparison),
        problems=sweep.problems,
        trace=trace(sweep, compared, found, pictures, drawn),
        libraries=_libraries() if drawn else _libraries(with_plotly=False),
    )
    path = folder / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def trace(
    sweep: Sweep,
    tables: Sequence[Table],
    found: Sequence[Verdict],
    pictures: Sequence[Picture],
    drawn: Sequence[Chart],
) -> Trace:
    """Follows every row of the comparison, every verdict and every figure to its campaigns' records."""
    lost = []
    folders: set[str] = set()
    known = {number: str(path) for number, path in sweep.folders.items()}
    claims: list[tuple[str, tuple[str, ...]]] = [
        (f"{table.title}: {row[0]}", anchors)
        for table in tables
        for row, anchors in zip(table.rows, table.anchors, strict=True)
    ]
    claims += [(verdict.sentence, tuple(known[number] for number in verdict.folders)) for verdict in found]
    shown = [(item.title, item.campaigns) for item in pictures] + [(item.title, item.campaigns) for item in drawn]
    claims += [(title, tuple(known[number] for number in numbers)) for title, numbers in shown]
    for claim, paths in claims:
        folders.update(paths)
        missing = [path for path in paths if not (Path(path) / "campaign.json").exists()]
        lost += [f"{claim}: no records in {path}" for path in missing]
        if not paths:
            lost.append(f"{claim}: no campaign behind it")
    rows = sum(len(table.rows) for table in tables) + len(found)
    return Trace(rows, len(shown), len(folders), tuple(lost))


def sort_key(cell: str) -> str:
    """What a cell sorts by: its first number, a missing one below everything."""
    match = _NUMBER.search(cell)
    return match.group().replace(",", "").replace("−", "-") if match else "-1e300"


def _embedded(picture: Picture, folder: Path) -> str:
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


def _libraries(*, with_plotly: bool = True) -> dict[str, str]:
    tables = importlib.resources.files("itables") / "html"
    plotly = importlib.resources.files("plotly") / "package_data" / "plotly.min.js"
    return {
        "datatables": base64.b64encode((tables / "dt_bundle.js").read_bytes()).decode(),
        "datatables_css": (tables / "dt_bundle.css").read_text(encoding="utf-8"),
        "plotly": base64.b64encode(plotly.read_bytes()).decode() if with_plotly else "",
    }
