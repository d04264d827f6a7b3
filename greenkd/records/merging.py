"""The order of rows that several processes wrote to files of their own: the same for everybody who reads them.

Rows of one file keep their order. Across files the clock decides, as far as a row bears a time; but an attempt at a
trial begins only when the one before it has ended, so its number decides where two machines' clocks disagree.
"""

import dataclasses
import heapq
import itertools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from greenkd.records.enums import TrialStatus
from greenkd.records.trial import TrialRow

T = TypeVar("T")


def merge_rows(files: Sequence[Sequence[T]], kind: type[Any], get: Callable[[T, str], Any] = getattr) -> list[T]:
    """Merges the rows of several files; those of a single file stay as they are.

    Args:
        files: The rows of each file, the files in the order of `row_files`.
        kind: Their record class.
        get: Returns a row's field by name.
    """
    filled = [rows for rows in files if rows]
    if len(filled) <= 1:
        return [row for rows in filled for row in rows]

    fields = {field.name for field in dataclasses.fields(kind)}
    if "started_at" not in fields:
        # Epochs, steps and tested trials, of which the last one counts.
        rows = [row for file in filled for row in file]
        return sorted(rows, key=lambda row: get(row, "attempt")) if "attempt" in fields else rows

    merged = _by_time(filled, get)
    return _attempts_in_order(merged, get) if kind is TrialRow else merged


def attempt_order(row: T, get: Callable[[T, str], Any] = getattr) -> tuple[int, bool]:
    """Returns what a trial's rows are sorted by; an attempt that paused may have a second row, by which it ended.

    Args:
        row: A `TrialRow`.
        get: Returns a row's field by name.
    """
    return get(row, "attempt"), get(row, "status") != TrialStatus.PAUSED


def _by_time(files: Sequence[Sequence[T]], get: Callable[[T, str], Any]) -> list[T]:
    """Merges files by time; a row that is older than one above it in its file counts as no older than that."""
    timed = [
        zip(
            itertools.accumulate((get(row, "started_at") for row in rows), max),
            itertools.repeat(number),
            itertools.count(),
            rows,
            strict=False,
        )
        for number, rows in enumerate(files)
    ]
    return [row for _, _, _, row in heapq.merge(*timed, key=lambda entry: entry[:3])]


def _attempts_in_order(rows: list[T], get: Callable[[T, str], Any]) -> list[T]:
    """Returns trial rows with those of each trial in order; the places that a trial has among all rows stay its own."""
    of_trial: dict[int, list[T]] = {}
    for row in rows:
        of_trial.setdefault(get(row, "trial"), []).append(row)

    ordered = {trial: iter(sorted(own, key=lambda row: attempt_order(row, get))) for trial, own in of_trial.items()}
    return [next(ordered[get(row, "trial")]) for row in rows]
