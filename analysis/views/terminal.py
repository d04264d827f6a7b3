"""Tables in a terminal, whatever its width."""

import functools
import itertools
from collections.abc import Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, Group
from rich.markup import escape
from rich.padding import Padding
from rich.segment import Segment, Segments
from rich.table import Table as RichTable
from rich.text import Text

from analysis.frames.side_by_side import mapped
from analysis.views.table import Table, without_control_characters
from greenkd.output_encoding import printable

_FIRST_WIDTH, _FIRST_WIDEST = 16, 30  # of the first column, which may wrap
_WIDEST = 120
_NARROWEST_TERMINAL = 60


def make_console() -> Console:
    """Returns a console that never wraps a table needlessly: 120 columns where the output is no terminal."""
    console = Console(highlight=False)
    if not console.is_terminal:
        return Console(highlight=False, width=_WIDEST)
    return Console(highlight=False, width=max(min(console.width, _WIDEST), _NARROWEST_TERMINAL))


def to_terminal(tables: Sequence[Table], console: Console, *, campaigns: int = 0, processes: int = 1) -> None:
    """Prints tables; columns that may go are left out until each fits.

    Args:
        tables: The tables.
        console: Where to.
        campaigns: How many campaigns they are about.
        processes: How many processes may draw them where these are many.
    """
    draw = functools.partial(_drawn, options=console.options.update(highlight=False))
    for drawn in itertools.chain.from_iterable(mapped(draw, tables, campaigns=campaigns, processes=processes)):
        console.print(Segments(drawn))


def _drawn(tables: Sequence[Table], *, options: ConsoleOptions) -> list[list[Segment]]:
    """Returns what rich makes of each table."""
    console = Console(highlight=False, width=options.max_width)
    return [list(console.render(renderable(table, console), options)) for table in tables]


def renderable(table: Table, console: Console) -> Group:
    """Returns a table as rich draws it; columns that may go are left out until it fits."""
    kept = list(range(len(table.header)))
    leaving = list(table.optional)
    while leaving and _width(table, kept) > console.width:
        kept.remove(leaving.pop(0))

    notes = list(table.notes)
    left_out = [name.replace("\n", " ") for column, name in enumerate(table.header) if column not in kept]
    if left_out:
        notes.append(f"left out in this narrow terminal, in the files: {', '.join(left_out)}")
    return Group(
        "",
        Text(printable(table.title), style="bold"),
        _rich_table(table, kept),
        *(Padding(Text(printable(note), style="dim"), (0, 0, 0, 2)) for note in notes),
    )


def _width(table: Table, kept: list[int]) -> int:
    """Returns the width of some columns, with a space between them and a first column that wraps at its least width."""
    widths = [
        max(cell_len(line) for row in (table.header, *table.rows) for line in row[column].split("\n"))
        for column in kept
    ]
    return _FIRST_WIDTH + sum(width + 1 for width in widths[1:])


def _rich_table(table: Table, kept: list[int]) -> RichTable:
    rich_table = RichTable(box=None, pad_edge=False, padding=(0, 1), collapse_padding=True, header_style="bold")
    for column in kept:
        is_first = column == 0
        rich_table.add_column(
            escape(printable(table.header[column])),
            justify="left" if column in table.left else "right",
            no_wrap=not is_first,
            min_width=_FIRST_WIDTH if is_first else None,
            max_width=_FIRST_WIDEST if is_first else None,
            vertical="top",
        )

    for row in table.rows:
        rich_table.add_row(*(escape(printable(without_control_characters(row[column]))) for column in kept))
    return rich_table
