"""What each strategy of a pair gains over the other, over seeds, and image by image."""

import dataclasses
import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.results.search_arrays import SearchArrays, search_arrays
from analysis.results.search_gain import (
    Gain,
    SearchValue,
    gain_of_search,
    gain_of_searches,
    paired_gain,
    search_value,
)
from analysis.results.verdict_pairs import Pair, StrategyRuns
from greenkd.records import StrategyKind

FloatArray = NDArray[np.float64]

# By campaign and trial, which test images it got right: [images].
Correctness = Mapping[tuple[int, int], NDArray[np.bool_]]


@dataclasses.dataclass(frozen=True)
class PairGain:
    """What a strategy gains over its control.

    Attributes:
        gain: The gain in points and its standard error over seeds.
        on_images: The difference on every test image in points, shape (seeds, images), trials of a search weighted as
            in the gain; None where it is not on record which images were right.
    """

    gain: Gain
    on_images: FloatArray | None


@dataclasses.dataclass(frozen=True)
class _Side:
    """The trainings of one of a pair's strategies at the seeds that both have.

    Attributes:
        arrays: Their scores.
        value: What choosing among them gets; None for a strategy of one training, or without a choice.
    """

    arrays: SearchArrays
    value: SearchValue | None

    @property
    def weights(self) -> FloatArray:
        """By how much each training counts, shape (seeds, trials): the chosen one alone where nothing is chosen."""
        if self.value is not None:
            return self.value.weights
        weights = np.zeros(self.arrays.test.shape)
        weights[np.arange(len(weights)), self.arrays.chosen] = 1.0
        return weights

    def on_images(self, correct: Correctness) -> FloatArray | None:
        """Returns the expected score of every image in points, shape (seeds, images); None where one is missing."""
        # Rows of a finished campaign that are damaged, or of a newer version's kind, are in no frame.
        if not all(self.arrays.trainings):
            return None

        rows = []
        for trainings, weights in zip(self.arrays.trainings, self.weights, strict=True):
            counted = {column: weight for column, weight in enumerate(weights) if weight > 0}
            if not all(column in trainings and trainings[column] in correct for column in counted):
                return None
            rows.append(sum(weight * correct[trainings[column]] for column, weight in counted.items()))

        same_images = len({len(row) for row in rows}) == 1
        return 100 * np.array(rows, dtype=np.float64) if same_images else None


# By strategy, the numbers of the campaigns and whether it chooses: most strategies are in several pairs.
_Sides = dict[tuple[object, ...], tuple[_Side, FloatArray | None]]


def gains_of_pairs(pairs: list[Pair], setting: pd.DataFrame, correct: Correctness) -> list[PairGain]:
    """Returns what each pair's strategy gains over its control.

    Strategies of one trial per seed show no noise of their own; the setting's grid, where it has one, tells what noise
    is to be expected of them.

    Args:
        pairs: What `pairs_of_setting` returned.
        setting: The setting's rows of the runs frame.
        correct: Which test images were right, as far as it is on record.
    """
    noise = _noise_of_grid(setting, pairs[0].ours.trials) if pairs else None
    sides: _Sides = {}
    return [_gain(pair, noise, correct, sides) for pair in pairs]


def _gain(pair: Pair, noise: SearchValue | None, correct: Correctness, sides: _Sides) -> PairGain:
    differences = np.array(pair.gains, dtype=np.float64)
    if not len(differences):
        return PairGain(_no_gain(), None)

    strategy, ours = _once(sides, pair.ours, correct, chooses=True)
    control, theirs = _once(sides, pair.theirs, correct, chooses=pair.control_chooses)
    on_images = None
    if ours is not None and theirs is not None and ours.shape == theirs.shape:
        on_images = ours - theirs

    # A search shows its own noise, and so does a control that is one.
    if strategy.value is not None and control.value is not None:
        return PairGain(gain_of_searches(strategy.value, control.value), on_images)
    if strategy.value is not None:
        return PairGain(gain_of_search(strategy.value, pair.other, 100 * pair.further), on_images)

    if noise is None:
        return PairGain(paired_gain(differences, np.asarray(0.0), 0.0), on_images)
    expected = 2 * noise.training_variance
    least = np.where(noise.collapses, expected, 0.0)
    return PairGain(paired_gain(differences, expected, noise.prior_df, least_variance=least), on_images)


def _once(sides: _Sides, runs: StrategyRuns, correct: Correctness, *, chooses: bool) -> tuple[_Side, FloatArray | None]:
    """Returns a strategy's trainings and its scores on images, worked out for the first of its pairs."""
    key = (runs.strategy, chooses, runs.campaigns)
    if key not in sides:
        side = _side(runs.frame, runs.trained, chooses=chooses)
        sides[key] = side, side.on_images(correct)
    return sides[key]


def _side(runs: pd.DataFrame, trials: pd.DataFrame, *, chooses: bool) -> _Side:
    arrays = search_arrays(runs, trials)
    shows_noise = chooses and len(arrays.chosen) > 1 and arrays.shows_noise
    return _Side(arrays, _value(arrays) if shows_noise else None)


def _noise_of_grid(setting: pd.DataFrame, trials: pd.DataFrame) -> SearchValue | None:
    """Returns what the setting's first grid of two seeds or more shows; None where there is none."""
    grids = setting[(setting["kind"] == StrategyKind.GRID) & setting["test_score"].notna()]

    for label in grids["strategy"].unique():
        arrays = search_arrays(grids[grids["strategy"] == label], trials)
        if len(arrays.chosen) > 1 and arrays.shows_noise:
            return _value(arrays)
    return None


def _value(arrays: SearchArrays) -> SearchValue:
    return search_value(arrays.validation, arrays.test, taus=arrays.taus, chosen=arrays.chosen)


def _no_gain() -> Gain:
    nothing = np.asarray(math.nan)
    return Gain(
        value=nothing, standard_error=nothing, df=nothing, seeds=0, further_seeds=0,
        own_variance=nothing, prior_variance=nothing, prior_df=nothing,
    )  # fmt: skip
