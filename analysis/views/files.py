"""Writes comparison and verdicts into a folder."""

from collections.abc import Sequence
from pathlib import Path

from analysis.frames.load import Sweep
from analysis.frames.looks import FILE, Looks, read_looks, sweep_folders
from analysis.frames.looks import write_looks as replace_looks
from analysis.frames.problem import Problem
from analysis.results.comparison import Comparison
from analysis.results.verdict import Verdict
from analysis.results.verdict_frame import verdict_frame
from analysis.results.verdict_levels import look_key
from analysis.views.output import write_output
from analysis.views.table import Table
from analysis.views.writers import CSV_FLOATS, frame_to_csv, to_latex, to_markdown
from greenkd.errors import StorageError


def write_comparison(comparison: Comparison, tables: Sequence[Table], folder: Path) -> list[Path]:
    """Writes `comparison.csv` (every figure, full precision), `comparison.md` and `comparison.tex`.

    Returns:
        The files that were written.
    """
    table = comparison.table.assign(
        chosen_taus=[";".join(f"{tau:g}" for tau in taus) for taus in comparison.table["chosen_taus"]]
    )
    return [
        write_output(folder / "comparison.csv", frame_to_csv(table, float_format=CSV_FLOATS)),
        write_output(folder / "comparison.md", "\n".join(to_markdown(table) for table in tables)),
        write_output(folder / "comparison.tex", "\n".join(to_latex(table) for table in tables)),
    ]


def write_verdicts(verdicts: Sequence[Verdict], folder: Path) -> Path:
    """Writes `verdict.csv`, the verdicts with the tests behind them; returns its path."""
    return write_output(folder / "verdict.csv", frame_to_csv(verdict_frame(verdicts)))


def write_looks(sweep: Sweep, verdicts: Sequence[Verdict]) -> None:
    """Puts on record that verdicts are shown: `looks.json` in the folder of each sweep behind them.

    One seed has no interval and is no look. A folder that cannot be written stays as it is, which is noted among the
    problems of the sweep.
    """
    for folder in sweep_folders(sweep.roots, sweep.folders.values()):
        known = read_looks([folder], [])
        looks: Looks = dict(known)

        for verdict in verdicts:
            of_verdict = [sweep.folders[number] for number in verdict.campaigns]
            if verdict.seeds > 1 and folder in sweep_folders(sweep.roots, of_verdict):
                key = look_key(verdict.setting, verdict.strategy, verdict.control)
                looks[key] = tuple(sorted({*looks.get(key, ()), verdict.seeds}))

        if looks == known:
            continue
        try:
            replace_looks(folder, looks)
        except StorageError as error:
            note = f"this look is not on record, so that a later one will be less strict than it should be: {error}"
            sweep.problems.append(Problem(str(folder / FILE), note))
