"""The trials of a searching strategy as arrays, seeds by trials, which `search_gain` takes."""

import dataclasses
import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.frames.groupby import rows_of
from greenkd.records import TrialStatus

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchArrays:
    """Scores of a search in points, shape (seeds, trials); NaN for a trial that did not finish.

    Attributes:
        validation: Validation scores.
        test: Test scores.
        taus: τ of each trial; None where trials are not told apart by one τ.
        chosen: Column of the chosen trial, shape (seeds,).
        trainings: Campaign and trial of each cell that has one, by its column, seed by seed.
    """

    validation: FloatArray
    test: FloatArray
    taus: FloatArray | None
    chosen: NDArray[np.intp]
    trainings: tuple[dict[int, tuple[int, int]], ...]

    @property
    def shows_noise(self) -> bool:
        """Whether every seed has the chosen trial and another one, so that noise can be learned from them."""
        known = ~(np.isnan(self.validation) | np.isnan(self.test))
        has_choice = np.take_along_axis(known, self.chosen[:, None], axis=1).all() if known.size else False
        return bool(has_choice and (known.sum(axis=1) > 1).all())


def search_arrays(runs: pd.DataFrame, trials: pd.DataFrame) -> SearchArrays:
    """Collects the complete trials behind some runs.

    Trials of the same τ stand in the same column where each seed has every τ once at most, in whatever order they were
    trained; else trials stand in the order of their numbers.

    Args:
        runs: The runs of one strategy, one row per seed.
        trials: The trials frame.
    """
    complete = trials[trials["status"] == TrialStatus.COMPLETE]
    of_seeds = [_of_run(run, complete) for run in rows_of(runs)]
    count = max((len(frame) for frame in of_seeds), default=0)

    columns = _common_taus(of_seeds, count)
    if columns is not None:
        places = [np.searchsorted(columns, frame["tau"]) for frame in of_seeds]
        taus = np.tile(columns, (len(of_seeds), 1))
    else:
        places = [np.arange(len(frame)) for frame in of_seeds]
        taus = _in_columns(of_seeds, places, "tau", count)

    chosen = [
        int(place[int(np.argmax(_is_chosen(frame, run)))]) if len(frame) else 0
        for frame, place, run in zip(of_seeds, places, rows_of(runs), strict=True)
    ]
    return SearchArrays(
        validation=100 * _in_columns(of_seeds, places, "val_score", count),
        test=100 * _in_columns(of_seeds, places, "test_score", count),
        taus=_usable_taus(taus, of_seeds),
        chosen=np.array(chosen, dtype=np.intp),
        trainings=tuple(
            dict(zip(place.tolist(), zip(frame["campaign"], frame["trial"], strict=True), strict=True))
            for frame, place in zip(of_seeds, places, strict=True)
        ),
    )


def _of_run(run: dict[str, Any], complete: pd.DataFrame) -> pd.DataFrame:
    """Returns the complete trials of a run, each once; none where the chosen one is not on record among them."""
    frame = complete[complete["campaign"].isin(run["campaigns"])]
    frame = frame.drop_duplicates(["campaign", "trial"], keep="last").sort_values(["trial", "tau"])
    return frame if _is_chosen(frame, run).any() else frame.iloc[:0]


def _common_taus(of_seeds: list[pd.DataFrame], count: int) -> FloatArray | None:
    """Returns the τ that seeds have in common, rising; None where they have others each, or one twice."""
    known = np.concatenate([frame["tau"].to_numpy(np.float64) for frame in of_seeds]) if of_seeds else np.empty(0)
    columns = np.unique(known)
    unique_within = all(frame["tau"].is_unique for frame in of_seeds)
    return columns if len(columns) == count and unique_within and not np.isnan(columns).any() else None


def _in_columns(of_seeds: list[pd.DataFrame], places: list[NDArray[np.intp]], name: str, count: int) -> FloatArray:
    values = np.full((len(of_seeds), count), math.nan)
    for row, frame, place in zip(values, of_seeds, places, strict=True):
        row[place] = frame[name]
    return values


def _is_chosen(frame: pd.DataFrame, run: dict[str, Any]) -> NDArray[np.bool_]:
    """Marks the chosen trial; campaigns of a swept grid have one trial each, told apart by τ."""
    numbers, taus = frame["trial"].to_numpy(dtype=np.float64), frame["tau"].to_numpy(dtype=np.float64)
    same_number = numbers == run["trial"]
    return np.asarray(same_number if math.isnan(run["chosen_tau"]) else same_number & (taus == run["chosen_tau"]))


def _usable_taus(taus: FloatArray, of_seeds: list[pd.DataFrame]) -> FloatArray | None:
    """Returns τ with the gaps of missing trials filled by the seed's mean; None where trials do not differ in τ."""
    if any(frame["tau"].isna().any() or frame.empty for frame in of_seeds) or len(np.unique(taus[~np.isnan(taus)])) < 2:
        return None

    means = np.nanmean(taus, axis=1, keepdims=True)
    return np.where(np.isnan(taus), means, taus)
