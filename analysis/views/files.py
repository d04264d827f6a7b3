"""Writes comparison and verdicts into a folder."""

from collections.abc import Sequence
from pathlib import Path

from analysis.results.comparison import Comparison
from analysis.results.verdict import Verdict, verdict_frame
from analysis.views.table import Table
from analysis.views.writers import CSV_FLOATS, csv_escape, to_latex, to_markdown


def write_comparison(comparison: Comparison, tables: Sequence[Table], folder: Path) -> list[Path]:
    """Writes `comparison.csv` (every figure, full precision), `comparison.md` and `comparison.tex`.

    Returns:
        The files that were written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    csv_file, markdown_file, latex_file = (folder / f"comparison.{ending}" for ending in ("csv", "md", "tex"))

    table = comparison.table.assign(
        chosen_taus=[";".join(f"{tau:g}" for tau in taus) for taus in comparison.table["chosen_taus"]]
    )
    table = table.map(lambda value: csv_escape(value) if isinstance(value, str) else value)
    table.to_csv(csv_file, index=False, float_format=CSV_FLOATS)

    markdown_file.write_text("\n".join(to_markdown(table) for table in tables), encoding="utf-8")
    latex_file.write_text("\n".join(to_latex(table) for table in tables), encoding="utf-8")
    return [csv_file, markdown_file, latex_file]


def write_verdicts(verdicts: Sequence[Verdict], folder: Path) -> Path:
    """Writes `verdict.csv`, the verdicts with the tests behind them; returns its path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "verdict.csv"
    verdict_frame(verdicts).to_csv(path, index=False)
    return path
