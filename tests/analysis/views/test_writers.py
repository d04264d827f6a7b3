"""Writers escape what records may hold."""

from analysis.views.table import Table
from analysis.views.writers import csv_escape, latex_escape, to_html, to_latex, to_markdown

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


def test_spreadsheets_run_nothing() -> None:
    assert csv_escape("=cmd()") == "'=cmd()"
    assert csv_escape("+0.46") == "+0.46"
    assert csv_escape("−0.46") == "−0.46"
