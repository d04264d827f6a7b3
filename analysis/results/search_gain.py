"""What a grid or a search gains over a strategy that costs one training, with an interval that few seeds suffice for.

Three things make few seeds suffice, and each is there because a simpler one failed (`python -m benchmarks.verdict`):

1. The grid's value is the average of its test scores, weighted by each trial's chance to be chosen if half the
   validation noise fell anew (`choice_weights`). Re-noising alone would undervalue a peak, so the difference between
   the real and the re-noised choice is added as the model of `grid_model` predicts it: the augmented estimate of
   Robins, Rotnitzky and Zhao (1994, JASA 89), right if either the weights or the model are.
2. The variance over seeds is moderated (Smyth 2004, `moderated`) by the variance that the grid's own noise predicts.
   Noise differs between strategies: the prior is worth at most four degrees of freedom, which lets standard deviations
   differ by a factor of 1.5 as a rule and of 2.2 now and then, and less where the seeds themselves contradict it. Full
   pooling was wrong in 20 % of sweeps.
3. Further seeds of the cheap strategy count. The pair of paired and unpaired estimates is combined with the weights of
   least variance (Aitken 1935), so that seeds that differ much among themselves weigh little.

Nothing is assumed about the response to τ or the shape of the noise beyond what means over seeds need. What no
procedure can know (Bahadur and Savage 1956): a collapse so rare that none of the trainings at hand had one.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.results.choice_weights import chances
from analysis.results.grid_model import additive_fit, curve_basis, not_collapsed
from analysis.results.moderated import (
    believed_degrees_of_freedom,
    moderated_variance,
    prior_degrees_of_freedom,
)

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

PRIOR_DF = 4.0  # the most that the grid's noise is worth as a prior for another strategy's
NOISE_SHARE = 0.5  # of the validation noise's variance that falls anew
_SMALLEST_NOISE_SHARE = 0.25  # of the validation residuals' variance that is taken for noise at least
_SMALLEST_UNEXPLAINED = 0.1  # of the test residuals' variance, likewise
_RESAMPLES = 200


@dataclasses.dataclass(frozen=True, kw_only=True)
class Gain:
    """The gain of one strategy over another in points, and how sure it is. Arrays have one entry per sweep."""

    value: FloatArray
    standard_error: FloatArray
    df: FloatArray  # degrees of freedom of the standard error
    seeds: int  # that both strategies have
    further_seeds: int  # that only the cheap strategy has
    own_variance: FloatArray  # of the paired differences
    prior_variance: FloatArray  # that the grid's noise predicts for them
    prior_df: FloatArray

    def interval(self, level: float) -> tuple[FloatArray, FloatArray]:
        """The gain's interval, each end of which is wrong with the given chance."""
        reach = stats.t.isf(level, self.df) * self.standard_error
        return self.value - reach, self.value + reach

    def p_above(self, margin: float) -> FloatArray:
        """One-sided p value of a gain that exceeds the margin."""
        return np.asarray(stats.t.sf((self.value - margin) / self.standard_error, self.df))

    def p_below(self, margin: float) -> FloatArray:
        """One-sided p value of a gain that stays below the margin."""
        return np.asarray(stats.t.sf((margin - self.value) / self.standard_error, self.df))


@dataclasses.dataclass(frozen=True, kw_only=True)
class SearchValue:
    """What choosing by validation gets in each seed, in points of the test score."""

    value: FloatArray  # (…, seeds)
    winner: FloatArray  # (…, seeds): test score of the one trial that was chosen
    weights: FloatArray  # (…, seeds, trials): each trial's chance to be chosen, by which its test score counts
    variance: FloatArray  # (…,): of one seed's value, from the noise of its trainings and the luck of its choice
    training_variance: FloatArray  # (…,): of one training's test score
    sound_variance: FloatArray  # (…,): the same without the trainings that collapsed
    seed_variance: FloatArray  # (…,): between the levels of the seeds
    collapses: BoolArray  # (…,): whether a training of the search collapsed
    prior_df: FloatArray  # (…,): how alike the noise is at different τ


def search_value(
    validation: FloatArray,
    test: FloatArray,
    *,
    taus: FloatArray | None,
    chosen: NDArray[np.intp] | None = None,
    resamples: int = _RESAMPLES,
) -> SearchValue:
    """What a search gets in each seed.

    Args:
        validation: Validation scores in points, shape (…, seeds, trials); NaN for a trial that did not finish.
        test: Test scores in points, of the same shape. A trial that lacks either score counts as missing.
        taus: τ of each trial, shape (seeds, trials); None where trials are not told apart by one τ.
        chosen: Index of the chosen trial, shape (…, seeds); without it the first one with the best validation score.
        resamples: Simulated choices for the variance.
    """
    seeds, trials = test.shape[-2:]
    missing = np.isnan(validation) | np.isnan(test)
    validation, test = np.where(missing, np.nan, validation), np.where(missing, np.nan, test)
    replicated = taus is not None and bool((taus == taus[0]).all())
    basis = curve_basis(taus, (seeds, trials))
    usable = not_collapsed(validation)
    of_validation = additive_fit(validation, usable, basis, replicated=replicated)
    of_test = additive_fit(test, usable, basis, replicated=replicated)

    # What a better validation score of the same training says about its test score.
    validation_square = (of_validation.noise**2).mean(axis=(-2, -1))
    test_square = (of_test.noise**2).mean(axis=(-2, -1))
    common = np.maximum((of_validation.noise * of_test.noise).mean(axis=(-2, -1)), 0.0)
    slope = np.clip(common / np.maximum(validation_square, np.finfo(np.float64).tiny), 0.0, 1.0)
    predicted = of_test.level + of_test.curve + slope[..., None, None] * of_validation.residual

    # The bagged choice, and the model's correction from the bagged to the real one.
    luck = np.maximum(validation_square - common, _SMALLEST_NOISE_SHARE * validation_square)
    weight = chances(validation, np.sqrt(NOISE_SHARE * luck)[..., None])
    winner = (np.nanargmax(validation, axis=-1) if chosen is None else chosen)[..., None]
    bagged = (weight * np.where(np.isnan(test), 0.0, test - predicted)).sum(axis=-1)
    value = bagged + np.take_along_axis(predicted, winner, axis=-1)[..., 0]

    # The variance that these trainings predict for one seed's value.
    unexplained = np.maximum(test_square - slope * common, _SMALLEST_UNEXPLAINED * test_square)
    spread = (weight**2).sum(axis=-1).mean(axis=-1)
    choice = _variance_of_choice(of_validation.curve, of_test.curve, of_validation.noise, slope, resamples)

    everything = additive_fit(test, ~np.isnan(test), basis, replicated=replicated)
    prior_df = np.full(value.shape[:-1], PRIOR_DF)
    if replicated and seeds > 1:
        at_each_tau = (everything.noise**2).sum(axis=-2) / (seeds - 1)
        prior_df = np.minimum(prior_degrees_of_freedom(at_each_tau, seeds - 1), PRIOR_DF)

    return SearchValue(
        value=value,
        weights=weight,
        winner=np.take_along_axis(test, winner, axis=-1)[..., 0],
        variance=unexplained * spread + choice,
        training_variance=(everything.noise**2).mean(axis=(-2, -1)),
        sound_variance=test_square,
        seed_variance=of_test.level[..., 0].var(axis=-1, ddof=1) if seeds > 1 else np.full(value.shape[:-1], np.nan),
        collapses=np.asarray((~usable & ~missing).any(axis=(-2, -1))),
        prior_df=prior_df,
    )


def _variance_of_choice(
    validation_curve: FloatArray, test_curve: FloatArray, noise: FloatArray, slope: FloatArray, resamples: int
) -> FloatArray:
    """Variance of the predicted score of the chosen trial, over searches whose residuals are drawn anew."""
    seeds, trials = noise.shape[-2:]
    generator = np.random.default_rng(0)
    which = generator.integers(seeds * trials, size=(resamples, trials))
    seed = np.arange(resamples) % seeds

    drawn = noise.reshape(*noise.shape[:-2], seeds * trials)[..., which]
    chosen = (validation_curve[..., seed, :] + drawn).argmax(axis=-1)[..., None]
    outcome = test_curve[..., seed, :] + slope[..., None, None] * drawn
    return np.asarray(np.take_along_axis(outcome, chosen, axis=-1)[..., 0].var(axis=-1, ddof=1))


def gain_of_search(search: SearchValue, other: FloatArray, further: FloatArray | None = None) -> Gain:
    """What a search gains over a strategy of one training per seed.

    Args:
        search: From `search_value`.
        other: Test scores in points of the other strategy at the same seeds, shape (…, seeds).
        further: Its test scores at seeds that the search does not have, shape (…, further seeds).
    """
    expected = search.training_variance + search.variance
    paired = paired_gain(search.value - other, expected, search.prior_df, least_variance=_least(search, expected))
    if further is None or not further.shape[-1] or paired.seeds < 2:
        return paired
    return _with_further_seeds(paired, search, other, further)


def gain_of_searches(search: SearchValue, other: SearchValue) -> Gain:
    """What a search gains over another one of the same seeds, such as a grid over restarts at one τ."""
    expected = search.variance + other.variance
    least = np.where(search.collapses | other.collapses, expected, 0.0)
    return paired_gain(
        search.value - other.value, expected, np.minimum(search.prior_df, other.prior_df), least_variance=least
    )


def _least(search: SearchValue, expected: FloatArray) -> FloatArray:
    """The variance below which none is believed: where the search's trainings collapse, the one that they show.

    Another strategy's seeds that all went well say little about how often it collapses: of twenty trainings that
    collapse with a chance of 5 %, none does in 36 % of sweeps.
    """
    return np.where(search.collapses, expected, 0.0)


def paired_gain(
    differences: FloatArray,
    prior_variance: FloatArray,
    prior_df: FloatArray | float = PRIOR_DF,
    *,
    least_variance: FloatArray | float = 0.0,
) -> Gain:
    """The mean of paired differences with a moderated standard error (Smyth 2004).

    Args:
        differences: In points, shape (…, seeds).
        prior_variance: What one difference is expected to vary by.
        prior_df: How many degrees of freedom that expectation is worth.
        least_variance: The variance of one difference is not taken to be smaller.
    """
    seeds = differences.shape[-1]
    value = differences.mean(axis=-1)
    worth = np.broadcast_to(np.asarray(prior_df, dtype=np.float64), value.shape)
    if seeds < 2:
        nothing = np.full(value.shape, np.nan)
        return Gain(
            value=value, standard_error=nothing, df=nothing, seeds=seeds, further_seeds=0,
            own_variance=nothing, prior_variance=prior_variance, prior_df=worth,
        )  # fmt: skip

    own = differences.var(axis=-1, ddof=1)
    worth = believed_degrees_of_freedom(own, seeds - 1, prior_variance, worth)
    variance = np.maximum(moderated_variance(own, seeds - 1, prior_variance, worth), least_variance)
    return Gain(
        value=value,
        standard_error=np.sqrt(variance / seeds),
        df=worth + seeds - 1,
        seeds=seeds,
        further_seeds=0,
        own_variance=own,
        prior_variance=np.asarray(prior_variance),
        prior_df=worth,
    )


def _with_further_seeds(paired: Gain, search: SearchValue, other: FloatArray, further: FloatArray) -> Gain:
    """Combines the paired estimate with the one that sets the search against the further seeds alone."""
    seeds, count = paired.seeds, further.shape[-1]
    unpaired = search.value.mean(axis=-1) - further.mean(axis=-1)

    # The weight of least variance, from the noise that the grid shows. The scores of the other strategy must not enter
    # it: a collapse among them would raise its variance and so take away its own weight.
    noise, between = search.sound_variance, search.seed_variance
    of_paired, of_unpaired = noise / seeds, between / seeds + (between + noise) / count
    weight = of_paired / np.maximum(of_paired + of_unpaired, np.finfo(np.float64).tiny)

    # The variance, from all that is known: the other strategy's own spread over all its seeds, moderated by the grid's.
    everything = np.concatenate([other, further], axis=-1)
    spread = moderated_variance(
        everything.var(axis=-1, ddof=1), seeds + count - 1, search.training_variance + between, paired.prior_df
    )
    spread = np.maximum(spread, _least(search, search.training_variance + between))
    of_search = moderated_variance(search.value.var(axis=-1, ddof=1), seeds - 1, spread, paired.prior_df)
    paired_square, unpaired_square = paired.standard_error**2, of_search / seeds + spread / count
    common = np.minimum(search.variance / seeds, np.minimum(paired_square, unpaired_square))
    square = (1 - weight) ** 2 * paired_square + weight**2 * unpaired_square + 2 * weight * (1 - weight) * common

    # Satterthwaite's degrees of freedom (1946). The luck of the grid's choice, which only the grid's seeds show, has no
    # more than the paired part; the other strategy's noise has those of all its seeds.
    of_other = weight**2 * spread / count
    of_grid = (1 - weight) ** 2 * paired_square + weight**2 * of_search / seeds
    df = (of_grid + of_other) ** 2 / (of_grid**2 / paired.df + of_other**2 / (seeds + count - 1 + paired.prior_df))
    return dataclasses.replace(
        paired,
        value=(1 - weight) * paired.value + weight * unpaired,
        standard_error=np.sqrt(square),
        df=df,
        further_seeds=count,
    )
