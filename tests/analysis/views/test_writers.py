"""Writers escape what records may hold."""

import csv
import io

import pandas as pd
import pytest

from analysis.views.table import Column, Table, make_table, split
from analysis.views.writers import csv_escape, frame_to_csv, latex_escape, to_csv, to_html, to_latex, to_markdown

NASTY = Table(
    title=r"<script>alert(1)</script> \input{/etc/passwd}",
    header=("a|b", "50 % & more_"),
    rows=(("<b>&$x^2~", "1"), ("=1+1\nnew | line", "–")),
    notes=("{note} #1",),
)


def test_latex_is_never_obeyed() -> None:
    text = to_latex(NASTY)
    assert r"\input" not in text
    assert r"\textbackslash{}input\{/etc/passwd\}" in text
    assert r"50 \% \& more\_" in text
    assert latex_escape("τ=4 ± 2") == r"$\tau$=4 $\pm$ 2"
    assert text.count(r"\\") == 3  # header and two rows


def test_html_and_markdown_hold_no_markup_of_records() -> None:
    assert "<script" not in to_html(NASTY)
    assert "<b>" not in to_html(NASTY)
    markdown = to_markdown(NASTY)
    assert "<script" not in markdown
    row = next(line for line in markdown.splitlines() if "new" in line)
    assert row.replace("\\|", "").count("|") == 3


@pytest.mark.parametrize(
    "name", ["=cmd()", "+1+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "＝1+1", "-x", "+", "-1e3(A1)"]
)
def test_spreadsheets_run_no_name(name: str) -> None:
    assert csv_escape(name).startswith("'")
    table = Table(title="", header=("strategy",), rows=((name,),))
    assert next(csv.reader(to_csv(table).splitlines()[1:])) == [csv_escape(name)]


@pytest.mark.parametrize(
    "figure", ["+0.46", "-3", "-1,024.5", "-3 %", "+1.2e-05", "+0.12 (-0.30 to 0.54)", "-", "−0.46", "4"]
)
def test_figures_are_not_touched(figure: str) -> None:
    assert csv_escape(figure) == figure


def test_files_of_full_figures_escape_names_and_leave_numbers_alone() -> None:
    frame = pd.DataFrame({"strategy": ["=1+1", "grid"], "gain": [-0.25, 1e-9], "seeds": [-1, 2]})
    read = pd.read_csv(io.StringIO(frame_to_csv(frame)))
    assert read["strategy"].tolist() == ["'=1+1", "grid"]
    assert read["gain"].tolist() == [-0.25, 1e-9]
    assert read["seeds"].tolist() == [-1, 2]


def test_a_wide_table_is_split_with_the_notes_of_its_columns() -> None:
    columns = [
        Column("strategy", ["grid"], words=True),
        Column("score", ["90"], note="about scores"),
        Column("Wh", ["1"], note="about costs", begins="costs"),
        Column("class", ["search"], words=True),
        Column("g", ["2"], note="about costs"),
    ]
    table = make_table("all", columns, notes=["about the whole"], anchors=[("folder",)])
    assert table.notes == ("about scores", "about costs", "about the whole")

    first, second = split(table)
    assert (first.title, first.header, first.rows) == ("all", ("strategy", "score"), (("grid", "90"),))
    assert (first.notes, first.marks) == (("about scores",), (None, 0))
    assert (second.title, second.header) == ("all: costs", ("strategy", "Wh", "class", "g"))
    assert second.rows == (("grid", "1", "search", "2"),)
    assert (second.notes, second.marks) == (("about costs", "about the whole"), (None, 0, None, 0))
    assert second.left == {0, 2}
    assert split(NASTY) == [NASTY]
