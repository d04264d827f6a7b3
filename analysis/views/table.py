"""A table of text, and its writers: terminal, Markdown, LaTeX. All text is escaped for the format it goes to."""

import csv
import dataclasses
import html
import io
import re
from collections.abc import Callable

from rich.cells import cell_len
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table as RichTable
from tabulate import tabulate

_LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "τ": r"$\tau$",
    "α": r"$\alpha$",
    "−": r"$-$",
    "→": r"$\rightarrow$",
    "≤": r"$\leq$",
    "≥": r"$\geq$",
    "…": r"\ldots{}",
    "–": r"--",
    "·": r"$\cdot$",
    "₂": r"$_2$",
    "₁": r"$_1$",
    "₀": r"$_0$",
}
_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f]+")
CSV_FLOATS = "%.10g"
_FIRST_WIDTH = 16


@dataclasses.dataclass(frozen=True)
class Table:
    """Text in rows and columns.

    Attributes:
        title: What the table shows; the caption.
        header: One name per column, with its unit.
        rows: As many cells per row as there are names.
        notes: Sentences below the table.
        left: Columns that hold words and are set flush left.
        optional: Columns that a narrow terminal may leave out, first to go first.
        anchors: Per row, the campaign folders behind it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    left: frozenset[int] = frozenset({0})
    optional: tuple[int, ...] = ()
    anchors: tuple[tuple[str, ...], ...] = ()


def latex_escape(text: str) -> str:
    """Text that LaTeX prints as it stands, and never obeys."""
    return "".join(_LATEX.get(letter, letter) for letter in _CONTROL.sub(" ", text))


def to_markdown(table: Table) -> str:
    """A GitHub table under a heading, its notes below."""
    clean = [[_markdown_escape(cell) for cell in row] for row in table.rows]
    align = ["left" if column in table.left else "right" for column in range(len(table.header))]
    header = [_markdown_escape(name) for name in table.header]
    text = tabulate(clean, header, tablefmt="pipe", colalign=align if clean else None, disable_numparse=True)
    notes = "\n".join(f"- {_markdown_escape(note)}" for note in table.notes)
    return f"### {_markdown_escape(table.title)}\n\n{text}\n\n{notes}\n"


def _markdown_escape(text: str) -> str:
    text = _CONTROL.sub(" ", text)
    for letter in "\\`*_[]<|":
        text = text.replace(letter, f"\\{letter}" if letter != "<" else "&lt;")
    return text


def to_latex(table: Table) -> str:
    r"""A booktabs table; the preamble needs \usepackage{booktabs}."""
    align = "".join("l" if column in table.left else "r" for column in range(len(table.header)))
    lines = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{latex_escape(table.title)}}}",
        rf"\begin{{tabular}}{{{align}}}",
        r"\toprule",
        " & ".join(latex_escape(name) for name in table.header) + r" \\",
        r"\midrule",
        *(" & ".join(latex_escape(cell) for cell in row) + r" \\" for row in table.rows),
        r"\bottomrule",
        r"\end{tabular}",
    ]
    if table.notes:
        lines += [r"\par\smallskip\footnotesize", " ".join(latex_escape(f"{note}.") for note in table.notes)]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def to_terminal(table: Table, console: Console) -> None:
    """Prints the table; columns that may go are left out until it fits."""
    kept = list(range(len(table.header)))
    leaving = list(table.optional)
    while leaving and _width(table, kept) > console.width:
        kept.remove(leaving.pop(0))
    console.print()
    console.print(escape(table.title), style="bold", highlight=False)
    console.print(_rich(table, kept), highlight=False)
    left_out = [table.header[column].replace("\n", " ") for column in range(len(table.header)) if column not in kept]
    notes = list(table.notes)
    if left_out:
        notes.append(f"left out in this narrow terminal, in the files: {', '.join(left_out)}")
    for note in notes:
        console.print(Padding(escape(note), (0, 0, 0, 2)), style="dim", highlight=False)


def _width(table: Table, kept: list[int]) -> int:
    widths = [
        max(cell_len(line) for row in (table.header, *table.rows) for line in row[column].split("\n"))
        for column in kept
    ]
    return min(widths[0], _FIRST_WIDTH) + sum(width + 1 for width in widths[1:])


def _rich(table: Table, kept: list[int]) -> RichTable:
    drawn = RichTable(box=None, pad_edge=False, padding=(0, 1), collapse_padding=True, header_style="bold")
    for column in kept:
        words = column in table.left
        drawn.add_column(
            escape(table.header[column]),
            justify="left" if words else "right",
            no_wrap=column != 0,
            min_width=_FIRST_WIDTH if column == 0 else None,
            max_width=30 if column == 0 else None,
            vertical="top",
        )
    for row in table.rows:
        drawn.add_row(*(escape(_CONTROL.sub(" ", row[column])) for column in kept))
    return drawn


def to_csv(table: Table) -> str:
    """Comma-separated text of the printed table; the files hold full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.header)
    writer.writerows([csv_escape(cell) for cell in row] for row in table.rows)
    return text.getvalue()


def csv_escape(cell: str) -> str:
    """Text that a spreadsheet shows and does not run."""
    # A spreadsheet runs a cell that begins like a formula; figures may begin with a sign.
    formula = cell[:1] in "=@\t\r" or (cell[:1] in "+-" and cell[1:2].isalpha())
    return f"'{cell}" if cell and formula else cell


def to_html(table: Table) -> str:
    """A bare HTML table with a caption."""
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in table.header)
    body = "\n".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in table.notes)
    caption = html.escape(table.title)
    return (
        f"<table>\n<caption>{caption}</caption>\n<thead><tr>{head}</tr></thead>\n<tbody>\n{body}\n</tbody>\n</table>\n"
        f"<ul>{notes}</ul>\n"
    )


WRITERS: dict[str, Callable[[Table], str]] = {
    "md": to_markdown,
    "latex": to_latex,
    "csv": to_csv,
    "html": to_html,
}
