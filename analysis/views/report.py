"""One self-contained page: the answer and its picture first, then every setting, and where each number comes from.

Figures are matplotlib's own SVG, set into the page; tables are HTML. A few lines of JavaScript sort and filter tables,
say what a mark stands for and save a table as CSV; without them everything is there all the same. Nothing is loaded
from elsewhere.
"""

from collections.abc import Sequence
from pathlib import Path

import jinja2

from analysis.frames.load import Sweep
from analysis.results.comparison import Comparison
from analysis.results.inference import inference
from analysis.results.judging import verdicts
from analysis.results.response import responses
from analysis.results.standings import main_standings, standings
from analysis.results.verdict import MARGIN_POINTS, Verdict
from analysis.views.comparison_table import comparison_tables
from analysis.views.data_free import choice_tables, sheets
from analysis.views.figures import MORE, SPENDING, TAU, Picture, figures, overview, write_picture
from analysis.views.glossary import GLOSSARY, term_of
from analysis.views.headline import headline
from analysis.views.inline_svg import inline_svg, points_json
from analysis.views.output import write_output
from analysis.views.paper_table import paper_table
from analysis.views.provenance_table import campaign_tables, provenance_tables
from analysis.views.setting_sections import MOST_DRAWN_BYTES, DrawnPicture, drawn_settings, setting_sections
from analysis.views.source_check import check_sources
from analysis.views.summary_table import summary_table
from analysis.views.table import split
from analysis.views.writers import to_csv

_MOST_CAMPAIGNS = 500  # that are listed in the page: each takes 0.4 kB

_PARTS = {
    TAU: "How the score responds to τ",
    SPENDING: "What it cost",
    MORE: "The networks and the temperatures",
}


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

    Where there are many settings, those that say most have figures; the others have tables and the command that draws
    them. Of many campaigns those behind the figures are listed in the page, and all in `campaigns.csv` and `runs.csv`
    beside it.

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

    # What is said: once, for all that shows it.
    found = standings(comparison, judged)
    bounds = responses(comparison)
    networks = inference(sweep)
    tables = comparison_tables(sweep, comparison, baseline=baseline)

    # What is drawn, and whether all of it leads to records.
    has_many = len(sweep.folders) > _MOST_CAMPAIGNS
    drawn: dict[tuple[str, ...], list[DrawnPicture]] = {}
    for key in drawn_settings(found):
        pictures = figures(sweep, comparison, standings=found, only=[key], bounds=bounds, networks=networks)
        drawn[key] = [_drawn(picture, folder) for picture in pictures]
        size_bytes = sum(one.size_bytes for of_setting in drawn.values() for one in of_setting)
        if has_many and size_bytes > MOST_DRAWN_BYTES:
            break
    lead = overview(found)
    shown = [one.picture for of_setting in drawn.values() for one in of_setting]
    check = check_sources(sweep, tables, judged, [*shown, *([lead] if lead else [])], bounds)

    sections = setting_sections(
        sweep,
        comparison,
        standings=found,
        judged=judged,
        bounds=bounds,
        tables=tables,
        networks=networks,
        drawn=drawn,
        margin=margin,
    )

    # The campaigns are listed in the page, or as a part there and all of them in files.
    listed = set(sweep.folders)
    if has_many:
        for name, table in campaign_tables(sweep, comparison).items():
            write_output(folder / name, to_csv(table))
        listed = {number for picture in shown for number in picture.campaigns}

    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            title=", ".join(sorted(set(sweep.campaigns["sweep"]))) or "sweep",
            roots=[str(root) for root in sweep.roots],
            headline=headline(found),
            lead=_drawn(lead, folder) if lead else None,
            has_answer=bool(main_standings(found)),
            margin=margin,
            summary=summary_table(found),
            sections=sections,
            parts=_PARTS,
            count_drawn=len(drawn),
            campaigns={str(path): number for number, path in sweep.folders.items()},
            listed=listed,
            counts={"campaigns": len(sweep.campaigns), "trials": len(sweep.trials)},
            paper=paper_table(comparison),
            choices=choice_tables(sweep),
            sheets=sheets(sweep),
            provenance=[*provenance_tables(sweep), *campaign_tables(sweep, comparison, listed).values()],
            problems=sweep.problems,
            check=check,
            glossary=GLOSSARY,
        )
    )
    return write_output(folder / "report.html", page)


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("analysis.views", "page"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"term": term_of, "split": split}
    return environment


def _drawn(picture: Picture, folder: Path) -> DrawnPicture:
    """Writes a picture's files and returns it as it stands in the page."""
    _, svg = write_picture(picture, folder / "figures")
    text = svg.read_text(encoding="utf-8")
    return DrawnPicture(
        picture=picture, svg=inline_svg(text, picture.name), points=points_json(picture.points, picture.name)
    )
