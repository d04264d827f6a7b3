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
        parts: Columns with which a further part begins where a page splits a wide table, and the name of each part.
    """

    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    notes: tuple[str, ...] = ()
    marks: tuple[int | None, ...] = ()
    left: frozenset[int] = frozenset({0})
    optional: tuple[int, ...] = ()
    anchors: tuple[tuple[str, ...], ...] = ()
    parts: tuple[tuple[int, str], ...] = ()


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        header: Its name, with the unit.
        cells: Its text, row by row.
        words: Whether it holds words, which are set flush left, or figures.
        leaves: Its turn to be left out where a terminal is narrow, 1 for the first; 0 for a column that stays.
        note: A sentence below the table that speaks of this column; several columns may have the same one.
        begins: Name of the part that begins with this column where a page splits a wide table.
    """

    header: str
    cells: Sequence[str]
    words: bool = False
    leaves: int = 0
    note: str = ""
    begins: str = ""


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
        parts=tuple((number, column.begins) for number, column in enumerate(columns) if column.begins),
    )


def split(table: Table) -> list[Table]:
    """Returns the parts of a wide table, each with the first column, and with the notes about its columns.

    Notes that speak of no column stand below the last part. A table without parts is returned as it is.
    """
    if not table.parts:
        return [table]

    starts = [0, *(start for start, _ in table.parts)]
    ends = [*starts[1:], len(table.header)]
    titles = [table.title, *(f"{table.title}: {name}" for _, name in table.parts)]
    free = [number for number in range(len(table.notes)) if number not in table.marks]

    parts = []
    for start, end, title in zip(starts, ends, titles, strict=True):
        kept = [0, *range(max(start, 1), end)]
        noted = list(dict.fromkeys(mark for mark in (table.marks[column] for column in kept) if mark is not None))
        numbers = noted + (free if end == len(table.header) else [])
        parts.append(
            Table(
                title=title,
                header=tuple(table.header[column] for column in kept),
                rows=tuple(tuple(row[column] for column in kept) for row in table.rows),
                notes=tuple(table.notes[number] for number in numbers),
                marks=tuple(_place(table.marks[column], noted) for column in kept),
                left=frozenset(place for place, column in enumerate(kept) if column in table.left),
                anchors=table.anchors,
            )
        )
    return parts


def _place(mark: int | None, noted: Sequence[int]) -> int | None:
    return None if mark is None else noted.index(mark)


def without_control_characters(text: str) -> str:
    """Returns text with line breaks, tabs and other control characters as one space each run."""
    return _CONTROL.sub(" ", text)
