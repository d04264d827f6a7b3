"""Small steps on frames that pandas' own types make long."""

from collections.abc import Iterable
from typing import Any, cast

import pandas as pd

from analysis.frames import columns


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """The rows as dictionaries."""
    return cast("list[dict[str, Any]]", frame.to_dict("records"))


def groups(frame: pd.DataFrame, by: Iterable[str], *, sort: bool = True) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """The groups of a frame, each with its key as a tuple."""
    found = frame.groupby(list(by), sort=sort)
    return [(key if isinstance(key, tuple) else (key,), group) for key, group in found]


def sum_or_missing(frame: pd.DataFrame, by: list[str], names: Iterable[str] = columns.COST_COLUMNS) -> pd.DataFrame:
    """Sums columns by group; a sum with a missing part is NaN, not smaller."""
    listed = list(names)
    keys = [frame[name] for name in by]
    total = frame[listed].groupby(keys).sum()
    missing = frame[listed].isna().groupby(keys).any()
    return total.mask(missing)


def joined(values: Iterable[str], separator: str = " | ") -> str:
    """Distinct values in order."""
    return separator.join(sorted(set(values)))
