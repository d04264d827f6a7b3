"""Writers of tables: Markdown, LaTeX, CSV, HTML. All text is escaped for the format it goes to."""

import csv
import html
import io
import re
from collections.abc import Callable

import pandas as pd
from tabulate import tabulate

from analysis.views.table import Table, without_control_characters
from greenkd.output_encoding import printable

CSV_FLOATS = "%.10g"

# What a spreadsheet takes for the beginning of a formula, the signs of East Asian keyboards among them.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
# A number with its unit and its interval, or several: `+0.46`, `-3 %`, `+0.12 (-0.30 to 0.54)`; or a dash alone.
_NUMBER = r"[-+−]?\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?(?: ?%)?"
_FIGURE = re.compile(rf"-|{_NUMBER}(?: \({_NUMBER} to {_NUMBER}\))?")

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


def latex_escape(text: str) -> str:
    """Returns text that LaTeX prints as it stands, and never obeys."""
    return "".join(_LATEX.get(letter, letter) for letter in without_control_characters(text))


def to_markdown(table: Table) -> str:
    """Returns a GitHub table under a heading, its notes below."""
    cells = [[_markdown_escape(cell) for cell in row] for row in table.rows]
    header = [_markdown_escape(name) for name in table.header]
    align = ["left" if column in table.left else "right" for column in range(len(table.header))]

    text = tabulate(cells, header, tablefmt="pipe", colalign=align if cells else None, disable_numparse=True)
    notes = "\n".join(f"- {_markdown_escape(note)}" for note in table.notes)
    return f"### {_markdown_escape(table.title)}\n\n{text}\n\n{notes}\n"


def _markdown_escape(text: str) -> str:
    text = without_control_characters(text)
    for letter in "\\`*_[]<|":
        text = text.replace(letter, f"\\{letter}" if letter != "<" else "&lt;")
    return text


def to_latex(table: Table) -> str:
    r"""Returns a booktabs table; the preamble needs \usepackage{booktabs}."""
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


def to_csv(table: Table) -> str:
    """Returns comma-separated text of the printed table; the files hold full precision."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(table.header)
    writer.writerows([csv_escape(cell) for cell in row] for row in table.rows)
    return text.getvalue()


def csv_escape(cell: str) -> str:
    """Returns text that a spreadsheet shows and does not run, nor a terminal obeys; figures stay as they are.

    A cell that begins like a formula gets an apostrophe before it (OWASP, CSV Injection,
    https://owasp.org/www-community/attacks/CSV_Injection). Only a figure may begin with a sign.
    """
    begins_like_a_formula = cell.startswith(_FORMULA) and not _FIGURE.fullmatch(cell)
    return f"'{printable(cell)}" if begins_like_a_formula else printable(cell)


def frame_to_csv(frame: pd.DataFrame, float_format: str | None = None) -> str:
    """Returns a frame as comma-separated text; texts are escaped, numbers are not touched."""
    escaped = frame.map(lambda value: csv_escape(value) if isinstance(value, str) else value)
    return escaped.to_csv(index=False, float_format=float_format)


def to_html(table: Table) -> str:
    """Returns a bare HTML table with a caption."""
    caption = html.escape(table.title)
    head = "".join(f'<th scope="col">{html.escape(name)}</th>' for name in table.header)
    body = "\n".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
    notes = "".join(f"<li>{html.escape(note)}</li>" for note in table.notes)

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
