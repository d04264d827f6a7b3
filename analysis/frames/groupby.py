"""Small steps on frames that pandas' own types make long."""

from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames import columns


def rows_of(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Returns the rows as dictionaries; the same as `frame.to_dict("records")`, for many small frames."""
    names = [str(name) for name in frame.columns]
    values = [_native(column) for _, column in frame.items()]
    return [dict(zip(names, row, strict=True)) for row in zip(*values, strict=True)]


def _native(column: "pd.Series[Any]") -> list[Any]:
    values: list[Any] = column.tolist()
    if column.dtype != object:
        return values
    return [value.item() if isinstance(value, np.generic) else value for value in values]


def groups(frame: pd.DataFrame, by: Iterable[str], *, sort: bool = True) -> list[tuple[tuple[Any, ...], pd.DataFrame]]:
    """Returns the groups of a frame, each with its key as a tuple."""
    grouped = frame.groupby(list(by), sort=sort)
    return [(key if isinstance(key, tuple) else (key,), group) for key, group in grouped]


def of_setting(frame: pd.DataFrame, key: tuple[str, ...]) -> pd.DataFrame:
    """Returns the rows of one setting; a frame without any rows, which may lack columns, is returned as it is.

    Args:
        frame: Any frame with the columns of a setting, `columns.SETTING`.
        key: The setting's values of these columns.
    """
    if frame.empty:
        return frame

    is_of_setting = pd.Series(True, index=frame.index)
    for name, value in zip(columns.SETTING, key, strict=True):
        is_of_setting &= frame[name] == value
    return frame[is_of_setting]


def of_campaigns(frame: pd.DataFrame, campaigns: Iterable[int]) -> pd.DataFrame:
    """Returns the rows of some campaigns, in the order of the frame."""
    return frame[frame["campaign"].isin(set(campaigns))]


def sum_or_missing(frame: pd.DataFrame, by: list[str], names: Iterable[str] = columns.COST_COLUMNS) -> pd.DataFrame:
    """Sums columns by group; a sum with a missing part is NaN, not smaller."""
    listed = list(names)
    keys = [frame[name] for name in by]

    total = frame[listed].groupby(keys).sum()
    missing = frame[listed].isna().groupby(keys).any()
    return total.mask(missing)


def joined(values: Iterable[str], separator: str = " | ") -> str:
    """Returns the distinct values in alphabetical order, as one text."""
    return separator.join(sorted(set(values)))
