"""Reads the files of lines of many campaigns as frames.

Numbers are arrays from the file on: as objects, those of millions of lines would fill the memory. Most lines of a sweep
say the same in words, of their meter for instance; what they say is kept once, and goes once from process to process.
"""

import dataclasses
import functools
import operator
import typing
from collections.abc import Collection, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.frames.lines import Row, read_lines
from analysis.frames.problem import Problem, add_problems
from analysis.frames.side_by_side import mapped

_NUMBERS = (int, float, int | None, float | None)
_WORDS = (bool, str, str | None, tuple[str, ...])


@dataclasses.dataclass(frozen=True)
class _Columns:
    """The wanted fields of a record class, apart by how their values are kept.

    Attributes:
        defaults: All of them in their order, with what stands for those that rows of an older greenkd lack.
        numbers: Those that are numbers.
        words: Those that say the same on most lines.
        others: The rest: times, parameters, series of numbers.
    """

    defaults: dict[str, Any]
    numbers: list[str]
    words: list[str]
    others: list[str]


@dataclasses.dataclass(frozen=True)
class _Rows:
    """The rows of some campaigns.

    Attributes:
        lengths: How many each campaign has.
        numbers: Shape (rows, columns of numbers).
        said: What rows say in words, each once.
        places: Of what each row says, among these; shape (rows,).
        others: The values of the other columns.
        problems: What is to be known about the files.
    """

    lengths: list[int]
    numbers: NDArray[np.float64]
    said: list[tuple[Any, ...]]
    places: NDArray[np.int32]
    others: dict[str, list[Any]]
    problems: list[Problem]


class _Places(dict[Any, int]):
    """Numbers what it is asked for, in the order in which it is first asked."""

    def __missing__(self, key: Any) -> int:
        self[key] = len(self)
        return self[key]


def read_frame(
    folders: dict[int, Path],
    name: str,
    row_type: type[Any],
    problems: list[Problem],
    names: Collection[str] | None = None,
    *,
    processes: int = 1,
) -> pd.DataFrame:
    """Reads one file of lines in every campaign's folder.

    Args:
        folders: The campaigns' folders, by number.
        name: The file's name, such as `trials.jsonl`.
        row_type: The record class of its lines; the frame has its fields as columns, and `campaign` before them.
        problems: Receives damaged files and lines.
        names: The columns that are wanted; None: all.
        processes: How many processes may read.
    """
    columns = _columns_of(row_type, names)
    read = functools.partial(_read_rows, name=name, row_type=row_type, columns=columns)
    parts = list(mapped(read, list(folders.values()), campaigns=len(folders), processes=processes))
    for part in parts:
        add_problems(problems, part.problems)

    values: dict[str, Any] = dict(zip(columns.numbers, np.concatenate([part.numbers for part in parts]).T, strict=True))
    values |= {column: pd.Series(objects, dtype="object") for column, objects in _words(columns, parts)}
    for column in columns.others:
        values[column] = pd.Series([value for part in parts for value in part.others[column]], dtype="object")

    lengths = [length for part in parts for length in part.lengths]
    campaigns = np.repeat(np.array(list(folders), dtype=np.int64), lengths)
    return pd.DataFrame({"campaign": campaigns} | {column: values[column] for column in columns.defaults})


def _columns_of(row_type: type[Any], names: Collection[str] | None) -> _Columns:
    columns = _Columns({}, [], [], [])
    for field in dataclasses.fields(row_type):
        if field.name == "schema_version" or not (names is None or field.name in names):
            continue

        hint = typing.get_type_hints(row_type)[field.name]
        says_the_same = hint in _WORDS or (isinstance(hint, type) and issubclass(hint, StrEnum))
        columns.defaults[field.name] = field.default
        if hint in _NUMBERS:
            columns.numbers.append(field.name)
        elif says_the_same and field.name != "started_at":
            columns.words.append(field.name)
        else:
            columns.others.append(field.name)
    return columns


def _read_rows(folders: Sequence[Path], *, name: str, row_type: type[Any], columns: _Columns) -> _Rows:
    """Reads one file of lines in some folders, of which the wanted columns stay."""
    lengths: list[int] = []
    numbers = [np.empty((0, len(columns.numbers)))]
    place_of = _Places()
    places: list[int] = []
    others: dict[str, list[Any]] = {column: [] for column in columns.others}
    problems: list[Problem] = []

    for folder in folders:
        rows = read_lines(folder / name, row_type, problems, columns.defaults)
        lengths.append(len(rows))
        of_file = np.array(_values(rows, columns.numbers, columns), dtype=np.float64)
        numbers.append(of_file.reshape(len(rows), len(columns.numbers)))
        places += map(place_of.__getitem__, _values(rows, columns.words, columns))
        for column, values in others.items():
            values += [row.get(column, columns.defaults[column]) for row in rows]

    return _Rows(lengths, np.concatenate(numbers), list(place_of), np.array(places, dtype=np.int32), others, problems)


def _values(rows: list[Row], names: list[str], columns: _Columns) -> list[tuple[Any, ...]]:
    """Returns some fields of each row."""
    if len(names) > 1:
        try:
            return list(map(operator.itemgetter(*names), rows))
        except KeyError:  # rows of an older greenkd lack the fields that came later, all of which have defaults
            pass
    return [tuple(row.get(name, columns.defaults[name]) for name in names) for row in rows]


def _words(columns: _Columns, parts: list[_Rows]) -> Iterator[tuple[str, NDArray[np.object_]]]:
    """Yields each column of words."""
    place_of = _Places()
    empty = np.empty(0, dtype=np.int64)
    known = [np.array([place_of[said] for said in part.said], dtype=np.int64)[part.places] for part in parts]
    places = np.concatenate([empty, *known])

    for number, column in enumerate(columns.words):
        yield column, np.fromiter((said[number] for said in place_of), np.object_, len(place_of))[places]
