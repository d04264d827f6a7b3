"""Tables fit the terminal; what is left out is said."""

from pathlib import Path

import pytest
from rich.console import Console

import analysis
from analysis.views.terminal import to_terminal
from tests.analysis.sweeps import write_sweep


def test_the_table_fits_and_files_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sweep(tmp_path, search=5)
    analysis.print_comparison(tmp_path)
    out = capsys.readouterr().out
    assert max(len(line) for line in out.split("\n\n")[0].splitlines()) <= 120
    assert "stochastic" in out
    for name in ("comparison.csv", "comparison.md", "comparison.tex"):
        assert (tmp_path / name).stat().st_size > 200
    sweep = analysis.load(tmp_path)
    narrow = Console(width=80, record=True, file=(tmp_path / "out").open("w"))
    for part in analysis.comparison_tables(sweep, analysis.compare(sweep)):
        to_terminal([part], narrow)
    assert "left out in this narrow terminal" in narrow.export_text().replace("\n", " ")
