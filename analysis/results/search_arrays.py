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
    complete = _complete(trials, of_seed)

    # Of a seed whose chosen trial is not on record among them, none counts
    is_chosen = _is_chosen(complete, runs)
    has_choice = np.bincount(complete.seed[is_chosen], minlength=len(runs)) > 0
    is_kept = has_choice[complete.seed]
    complete, is_chosen = complete.at(is_kept), is_chosen[is_kept]
    seeds = complete.seed
    counts = np.bincount(seeds, minlength=len(runs))
    shape = (len(runs), int(counts.max(initial=0)))

    columns = _common_taus(complete, shape[1])
    if columns is not None:
        places = np.searchsorted(columns, complete.tau)
        taus = np.tile(columns, (len(runs), 1))
    else:
        places = np.arange(len(seeds)) - (np.cumsum(counts) - counts)[seeds]
        taus = _in_columns(complete.tau, (seeds, places), shape)

    chosen = np.zeros(len(runs), dtype=np.intp)
    chosen[seeds[is_chosen][::-1]] = places[is_chosen][::-1]  # the first of each seed
    trainings: list[dict[int, tuple[int, int]]] = [{} for _ in range(len(runs))]
    of_columns = (array.tolist() for array in (seeds, places, complete.campaign, complete.trial))
    for seed, place, campaign, trial in zip(*of_columns, strict=True):
        trainings[seed][place] = (campaign, trial)

    return SearchArrays(
        validation=100 * _in_columns(complete.val_score, (seeds, places), shape),
        test=100 * _in_columns(complete.test_score, (seeds, places), shape),
        taus=_usable_taus(taus, complete, has_choice),
        chosen=chosen,
        trainings=tuple(trainings),
    )


@dataclasses.dataclass(frozen=True)
class _Trials:
    """Complete trials, each once, by seed, then by number; columns as arrays, since frames of few rows are slow."""

    seed: NDArray[np.intp]
    campaign: NDArray[np.int64]
    trial: NDArray[np.int64]
    tau: FloatArray
    val_score: FloatArray
    test_score: FloatArray

    def at(self, which: NDArray[np.bool_] | NDArray[np.intp]) -> "_Trials":
        """Returns some of them."""
        return _Trials(**{field.name: getattr(self, field.name)[which] for field in dataclasses.fields(self)})


def _complete(trials: pd.DataFrame, of_seed: dict[int, int]) -> _Trials:
    """Returns the complete trials of some campaigns.

    Args:
        trials: The trials frame.
        of_seed: Number of the seed, by campaign.
    """
    rows = of_campaigns(trials[trials["status"] == TrialStatus.COMPLETE], of_seed)
    campaign, trial = (rows[name].to_numpy(dtype=np.int64) for name in ("campaign", "trial"))
    tau, val_score, test_score = (rows[name].to_numpy(dtype=np.float64) for name in ("tau", "val_score", "test_score"))
    seed = np.array([of_seed[number] for number in campaign.tolist()], dtype=np.intp)
    found = _Trials(seed, campaign, trial, tau, val_score, test_score)

    # Of a trial that is there twice, the last one counts
    last = {key: place for place, key in enumerate(zip(campaign.tolist(), trial.tolist(), strict=True))}
    found = found.at(np.array(sorted(last.values()), dtype=np.intp))
    return found.at(np.lexsort((found.tau, found.trial, found.seed)))


def _common_taus(complete: _Trials, count: int) -> FloatArray | None:
    """Returns the τ that seeds have in common, rising; None where they have others each, or one twice."""
    columns = np.unique(complete.tau)
    if len(columns) != count or np.isnan(columns).any():
        return None
    is_unique_within = len(set(zip(complete.seed.tolist(), complete.tau.tolist(), strict=True))) == len(complete.tau)
    return columns if is_unique_within else None


def _in_columns(
    values: FloatArray, places: tuple[NDArray[np.intp], NDArray[np.intp]], shape: tuple[int, int]
) -> FloatArray:
    array = np.full(shape, math.nan)
    array[places] = values
    return array


def _is_chosen(complete: _Trials, runs: pd.DataFrame) -> NDArray[np.bool_]:
    """Marks the chosen trials; campaigns of a swept grid have one trial each, told apart by τ."""
    numbers, taus = (runs[name].to_numpy(dtype=np.float64)[complete.seed] for name in ("trial", "chosen_tau"))
    return np.asarray((complete.trial == numbers) & (np.isnan(taus) | (complete.tau == taus)))


def _usable_taus(taus: FloatArray, complete: _Trials, has_choice: NDArray[np.bool_]) -> FloatArray | None:
    """Returns τ with the gaps of missing trials filled by the seed's mean; None where trials do not differ in τ."""
    if np.isnan(complete.tau).any() or not has_choice.all() or len(np.unique(taus[~np.isnan(taus)])) < 2:
        return None

    means = np.nanmean(taus, axis=1, keepdims=True)
    return np.where(np.isnan(taus), means, taus)
