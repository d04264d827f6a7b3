"""Prints tables, verdicts and what is to be known about the records."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from analysis.frames.load import Sweep, load
from analysis.results.comparison import compare
from analysis.results.verdict import Verdict, verdicts
from analysis.views.comparison_table import comparison_tables
from analysis.views.files import write_comparison
from analysis.views.table import Table
from analysis.views.terminal import make_console, to_terminal
from analysis.views.verdict_table import verdict_table
from analysis.views.writers import WRITERS


def print_comparison(path: str | Path, console: Console | None = None) -> Sweep:
    """Prints the comparison of a sweep's folder and writes its files there; a sweep calls this at its end.

    Raises:
        analysis.AnalysisError: The folder holds no campaign.
    """
    console = console or make_console()
    sweep = load(path)
    comparison = compare(sweep)
    tables = comparison_tables(sweep, comparison)

    _print_to_terminal(sweep, tables, verdicts(comparison), console)
    written = write_comparison(comparison, tables, Path(path))
    console.print(f"\nwritten: {', '.join(str(file) for file in written)}", soft_wrap=True)
    return sweep


def print_results(sweep: Sweep, tables: Sequence[Table], judged: Sequence[Verdict], form: str = "terminal") -> None:
    """Prints tables and verdicts on standard output.

    Args:
        sweep: The records; what is to be known about them is printed in a terminal.
        tables: What `comparison_tables` returned.
        judged: What `verdicts` returned.
        form: "terminal", or "md", "latex", "csv", "html" for the text of such a file; "none" prints nothing.
    """
    if form == "terminal":
        _print_to_terminal(sweep, tables, judged, make_console())
    elif form != "none":
        for table in (*tables, verdict_table(judged)):
            print(WRITERS[form](table))


def _print_to_terminal(sweep: Sweep, tables: Sequence[Table], judged: Sequence[Verdict], console: Console) -> None:
    for table in tables:
        to_terminal(table, console)

    if judged:
        console.print("\nIs it worth its energy?", style="bold")
    for verdict in judged:
        console.print(Padding(escape(verdict.sentence), (0, 0, 0, 2)))

    if sweep.problems:
        console.print("\nTo know about these records", style="bold")
    for problem in sweep.problems:
        console.print(f"  {problem.where}: {problem.what}", style="yellow", markup=False, soft_wrap=True)
