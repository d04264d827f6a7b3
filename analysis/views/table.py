"""A table of text: what every view makes, and what the terminal and the writers of files take."""

import dataclasses
import re
from collections.abc import Sequence

_CONTROL = re.compile(r"[\x00-\x1f\x7f\x80-\x9f]+")


@dataclasses.dataclass(frozen=True)
class Table:
    """Text in rows and columns.

    Attributes:
        title: What the table shows; the caption.
        header: One name per column, with its unit.
        rows: As many cells per row as there are names.
        notes: Sentences below the table.
        marks: Per column, the number of the note that speaks of it, counted from 0; None where none does.
        left: Columns that hold words and are set flush left.
        optional: Columns that a narrow terminal may leave out, first to go first.
        anchors: Per row, the campaign folders behind it.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    marks: tuple[int | None, ...] = ()
    left: frozenset[int] = frozenset({0})
    optional: tuple[int, ...] = ()
    anchors: tuple[tuple[str, ...], ...] = ()


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        header: Its name, with the unit.
        cells: Its text, row by row.
        words: Whether it holds words, which are set flush left, or figures.
        leaves: Its turn to be left out where a terminal is narrow, 1 for the first; 0 for a column that stays.
        note: A sentence below the table that speaks of this column; several columns may have the same one.
    """

    header: str
    cells: Sequence[str]
    words: bool = False
    leaves: int = 0
    note: str = ""


def make_table(
    title: str, columns: Sequence[Column], *, notes: Sequence[str] = (), anchors: Sequence[tuple[str, ...]] = ()
) -> Table:
    """Puts columns of equal length side by side; the notes of columns stand before the others."""
    of_columns = list(dict.fromkeys(column.note for column in columns if column.note))
    leaving = [number for number, column in enumerate(columns) if column.leaves]

    return Table(
        title=title,
        header=tuple(column.header for column in columns),
        rows=tuple(zip(*(column.cells for column in columns), strict=True)),
        notes=(*of_columns, *notes),
        marks=tuple(of_columns.index(column.note) if column.note else None for column in columns),
        left=frozenset(number for number, column in enumerate(columns) if column.words),
        optional=tuple(sorted(leaving, key=lambda number: columns[number].leaves)),
        anchors=tuple(anchors),
    )


def without_control_characters(text: str) -> str:
    """Returns text with line breaks, tabs and other control characters as one space each run."""
    return _CONTROL.sub(" ", text)
