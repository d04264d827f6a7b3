"""Prints tables, verdicts and what is to be known about the records."""

import functools
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from analysis.frames.load import Sweep, load
from analysis.results.comparison import Comparison, compare
from analysis.results.judging import verdicts
from analysis.results.response import responses
from analysis.results.standings import standings
from analysis.results.verdict import MARGIN_POINTS, Verdict
from analysis.views.comparison_table import comparison_tables
from analysis.views.data_free import choice_tables
from analysis.views.files import write_comparison, write_looks
from analysis.views.table import Table
from analysis.views.terminal import make_console, to_terminal
from analysis.views.verdict_summary import other_verdicts_tables, verdicts_in_full
from analysis.views.verdict_table import verdict_table
from analysis.views.writers import WRITERS
from greenkd.output_encoding import printable


def print_comparison(path: str | Path, console: Console | None = None, *, processes: int = 1) -> Sweep:
    """Prints the comparison of a sweep's folder and writes its files there; a sweep calls this at its end.

    Args:
        path: The folder.
        console: Where to print; the terminal by default.
        processes: How many processes may work where campaigns are many, as for `load`.

    Raises:
        analysis.AnalysisError: The folder holds no campaign.
    """
    console = console or make_console()
    sweep = load(path, processes=processes)
    comparison = compare(sweep)
    tables = comparison_tables(sweep, comparison)

    judged = verdicts(comparison)
    write_looks(sweep, judged)

    _print_to_terminal(comparison, tables, judged, console, margin=MARGIN_POINTS)
    written = write_comparison(comparison, tables, Path(path))
    console.print(printable(f"\nwritten: {', '.join(map(str, written))}"), markup=False, soft_wrap=True)
    return sweep


def print_results(
    comparison: Comparison,
    tables: Sequence[Table],
    judged: Sequence[Verdict],
    form: str = "terminal",
    *,
    margin: float = MARGIN_POINTS,
) -> None:
    """Prints tables and verdicts on standard output.

    Args:
        comparison: What `compare` returned; what is to be known about its records is printed in a terminal.
        tables: What `comparison_tables` returned.
        judged: What `verdicts` returned.
        form: "terminal", or "md", "latex", "csv", "html" for the text of such a file; "none" prints nothing.
        margin: The margin that `judged` was made with, percentage points.
    """
    if form == "terminal":
        _print_to_terminal(comparison, tables, judged, make_console(), margin=margin)
    elif form != "none":
        for table in (*tables, verdict_table(judged)):
            print(printable(WRITERS[form](table)))


def _print_to_terminal(
    comparison: Comparison, tables: Sequence[Table], judged: Sequence[Verdict], console: Console, *, margin: float
) -> None:
    sweep = comparison.sweep
    draw = functools.partial(to_terminal, console=console, campaigns=len(sweep.folders), processes=sweep.processes)
    draw([*tables, *choice_tables(sweep)])

    # What any τ can gain, setting by setting, and the verdicts; many of them in a table.
    bounds = [response.sentence(margin) for response in responses(comparison)]
    sentences = [*bounds, *(verdict.sentence for verdict in verdicts_in_full(judged))]
    if sentences:
        console.print("\nIs it worth its energy?", style="bold")
    for sentence in sentences:
        console.print(Padding(escape(printable(sentence)), (0, 0, 0, 2)))

    draw(other_verdicts_tables(judged, standings(comparison, judged)))

    if sweep.problems:
        console.print("\nTo know about these records", style="bold")
    for problem in sweep.problems:
        console.print(printable(f"  {problem.where}: {problem.what}"), style="yellow", markup=False, soft_wrap=True)
