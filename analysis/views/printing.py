"""Prints tables, verdicts and what is to be known about the records."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from analysis.frames.load import Sweep, load
from analysis.results.comparison import Comparison, compare
from analysis.results.response import responses
from analysis.results.verdict import MARGIN_POINTS, Verdict, verdicts
from analysis.views.comparison_table import comparison_tables
from analysis.views.data_free import choice_tables
from analysis.views.files import write_comparison, write_looks
from analysis.views.table import Table
from analysis.views.terminal import make_console, to_terminal
from analysis.views.verdict_table import verdict_table
from analysis.views.writers import WRITERS
from greenkd.output_encoding import printable


def print_comparison(path: str | Path, console: Console | None = None) -> Sweep:
    """Prints the comparison of a sweep's folder and writes its files there; a sweep calls this at its end.

    Raises:
        analysis.AnalysisError: The folder holds no campaign.
    """
    console = console or make_console()
    sweep = load(path)
    comparison = compare(sweep)
    tables = comparison_tables(sweep, comparison)

    judged = verdicts(comparison)
    write_looks(sweep, judged)

    _print_to_terminal(sweep, tables, _first_lines(comparison, MARGIN_POINTS), judged, console)
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
        _print_to_terminal(comparison.sweep, tables, _first_lines(comparison, margin), judged, make_console())
    elif form != "none":
        for table in (*tables, verdict_table(judged)):
            print(printable(WRITERS[form](table)))


def _first_lines(comparison: Comparison, margin: float) -> list[str]:
    """Returns what any τ can gain, setting by setting."""
    return [response.sentence(margin) for response in responses(comparison)]


def _print_to_terminal(
    sweep: Sweep, tables: Sequence[Table], first_lines: Sequence[str], judged: Sequence[Verdict], console: Console
) -> None:
    for table in (*tables, *choice_tables(sweep)):
        to_terminal(table, console)

    sentences = [*first_lines, *(verdict.sentence for verdict in judged)]
    if sentences:
        console.print("\nIs it worth its energy?", style="bold")
    for sentence in sentences:
        console.print(Padding(escape(printable(sentence)), (0, 0, 0, 2)))

    if sweep.problems:
        console.print("\nTo know about these records", style="bold")
    for problem in sweep.problems:
        console.print(printable(f"  {problem.where}: {problem.what}"), style="yellow", markup=False, soft_wrap=True)
