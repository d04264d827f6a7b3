"""The trials of a searching strategy as arrays, seeds by trials, which `search_gain` takes."""

import dataclasses
import math

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.frames.groupby import of_campaigns
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
    of_seed = {campaign: seed for seed, campaigns in enumerate(runs["campaigns"]) for campaign in campaigns}
    complete = of_campaigns(trials[trials["status"] == TrialStatus.COMPLETE], of_seed)
    complete = complete.drop_duplicates(["campaign", "trial"], keep="last")
    complete = complete.assign(seed=complete["campaign"].map(of_seed)).sort_values(["seed", "trial", "tau"])

    # Of a seed whose chosen trial is not on record among them, none counts
    is_chosen = _is_chosen(complete, runs)
    has_choice = np.bincount(complete["seed"][is_chosen], minlength=len(runs)) > 0
    is_kept = has_choice[complete["seed"].to_numpy(dtype=np.intp)]
    complete, is_chosen = complete[is_kept], is_chosen[is_kept]
    seeds = complete["seed"].to_numpy(dtype=np.intp)
    shape = (len(runs), int(np.bincount(seeds, minlength=1).max()))

    columns = _common_taus(complete, shape[1])
    if columns is not None:
        places = np.searchsorted(columns, complete["tau"])
        taus = np.tile(columns, (len(runs), 1))
    else:
        places = complete.groupby("seed").cumcount().to_numpy(dtype=np.intp)
        taus = _in_columns(complete["tau"], (seeds, places), shape)

    chosen = np.zeros(len(runs), dtype=np.intp)
    chosen[seeds[is_chosen][::-1]] = places[is_chosen][::-1]  # the first of each seed
    trainings: list[dict[int, tuple[int, int]]] = [{} for _ in range(len(runs))]
    of_columns = zip(seeds, places.tolist(), complete["campaign"], complete["trial"], strict=True)
    for seed, place, campaign, trial in of_columns:
        trainings[seed][place] = (campaign, trial)

    return SearchArrays(
        validation=100 * _in_columns(complete["val_score"], (seeds, places), shape),
        test=100 * _in_columns(complete["test_score"], (seeds, places), shape),
        taus=_usable_taus(taus, complete, has_choice),
        chosen=chosen,
        trainings=tuple(trainings),
    )


def _common_taus(complete: pd.DataFrame, count: int) -> FloatArray | None:
    """Returns the τ that seeds have in common, rising; None where they have others each, or one twice."""
    columns = np.unique(complete["tau"].to_numpy(dtype=np.float64))
    unique_within = not complete.duplicated(["seed", "tau"]).any()
    return columns if len(columns) == count and unique_within and not np.isnan(columns).any() else None


def _in_columns(
    values: "pd.Series[float]", places: tuple[NDArray[np.intp], NDArray[np.intp]], shape: tuple[int, int]
) -> FloatArray:
    array = np.full(shape, math.nan)
    array[places] = values
    return array


def _is_chosen(complete: pd.DataFrame, runs: pd.DataFrame) -> NDArray[np.bool_]:
    """Marks the chosen trials; campaigns of a swept grid have one trial each, told apart by τ."""
    numbers, taus = (runs[name].to_numpy(dtype=np.float64)[complete["seed"]] for name in ("trial", "chosen_tau"))
    is_tau = np.isnan(taus) | (complete["tau"].to_numpy(dtype=np.float64) == taus)
    return np.asarray((complete["trial"].to_numpy(dtype=np.float64) == numbers) & is_tau)


def _usable_taus(taus: FloatArray, complete: pd.DataFrame, has_choice: NDArray[np.bool_]) -> FloatArray | None:
    """Returns τ with the gaps of missing trials filled by the seed's mean; None where trials do not differ in τ."""
    if complete["tau"].isna().any() or not has_choice.all() or len(np.unique(taus[~np.isnan(taus)])) < 2:
        return None

    means = np.nanmean(taus, axis=1, keepdims=True)
    return np.where(np.isnan(taus), means, taus)
