"""Variances that borrow strength from other variances of the same kind of noise.

This is the empirical Bayes estimate of Smyth (2004), "Linear models and empirical Bayes methods for assessing
differential expression in microarray experiments", Stat. Appl. Genet. Mol. Biol. 3(1), article 3.

A variance from three seeds has two degrees of freedom, and a t test with two degrees of freedom decides almost
nothing. A grid has measured the same kind of noise many times. Smyth's posterior variance is the mean of the own and
the prior variance, weighted by their degrees of freedom, and the t statistic that uses it has both counts together.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

FloatArray = NDArray[np.float64]

_SMALLEST_SHARE = 1e-5  # of the median variance; limma's guard against variances of exactly zero
_NEWTON_STEPS = 50
_CONTRADICTED = 0.1  # chance of so large a variance, below which the prior is believed less


def moderated_variance(own: ArrayLike, own_df: ArrayLike, prior: ArrayLike, prior_df: ArrayLike) -> FloatArray:
    """The posterior variance (Smyth 2004, equation 1 of section 3): (d₀s₀² + ds²) / (d₀ + d).

    Args:
        own: The variance s² that the values themselves have.
        own_df: Its degrees of freedom d.
        prior: The prior variance s₀².
        prior_df: How many degrees of freedom d₀ the prior is worth; it must be finite.
    """
    own_weight, prior_weight = np.asarray(own_df, dtype=np.float64), np.asarray(prior_df, dtype=np.float64)
    total = prior_weight * np.asarray(prior, dtype=np.float64) + own_weight * np.asarray(own, dtype=np.float64)
    return np.asarray(total / (prior_weight + own_weight))


def believed_degrees_of_freedom(own: ArrayLike, own_df: ArrayLike, prior: ArrayLike, prior_df: ArrayLike) -> FloatArray:
    """How many degrees of freedom a prior is worth for a variance that may contradict it.

    A variance that lies far above the prior is of another kind of noise, and is not to be drawn down to it (Phipson,
    Lee, Majewski, Alexander and Smyth 2016, "Robust hyperparameter estimation protects against hypervariable genes",
    Ann. Appl. Stat. 10(2)): where chance lets one in ten lie so high or fewer, the prior loses its worth in proportion.

    Args:
        own: The variance that the values themselves have.
        own_df: Its degrees of freedom.
        prior: The prior variance.
        prior_df: How many degrees of freedom the prior is worth where nothing contradicts it.
    """
    values, expected = np.asarray(own, dtype=np.float64), np.asarray(prior, dtype=np.float64)
    nothing_expected = np.where(values > 0, np.inf, 0.0)
    ratio = np.where(expected > 0, values / np.where(expected > 0, expected, 1.0), nothing_expected)

    degrees = np.asarray(own_df, dtype=np.float64)
    chance = stats.chi2.sf(degrees * ratio, degrees)
    return np.asarray(np.asarray(prior_df, dtype=np.float64) * np.minimum(chance / _CONTRADICTED, 1.0))


def prior_degrees_of_freedom(variances: ArrayLike, df: float) -> FloatArray:
    """How alike several variances are, as the degrees of freedom d₀ of their common prior (Smyth 2004, section 6.2).

    The logarithms of equal variances scatter by trigamma(df / 2). What they scatter beyond that is trigamma(d₀ / 2).

    Args:
        variances: Sample variances, shape (…, groups), at least two groups.
        df: Degrees of freedom of each.

    Returns:
        d₀, shape (…). It is infinite where the variances scatter no more than chance lets equal ones scatter.
    """
    values = np.asarray(variances, dtype=np.float64)
    median = np.median(values, axis=-1, keepdims=True)
    logs = np.log(np.maximum(values, np.maximum(_SMALLEST_SHARE * median, np.finfo(np.float64).tiny)))

    excess = logs.var(axis=-1, ddof=1) - special.polygamma(1, df / 2)
    scattered = excess > 0
    return np.where(scattered, 2 * trigamma_inverse(np.where(scattered, excess, 1.0)), np.inf)


def trigamma_inverse(values: ArrayLike) -> FloatArray:
    """The y with trigamma(y) = value, by the Newton iteration of Smyth (2004, appendix).

    Args:
        values: Positive numbers.
    """
    target = np.asarray(values, dtype=np.float64)
    estimate = 0.5 + 1 / target

    # The iteration works on 1 / trigamma, which is nearly linear and convex, so it converges from this start.
    for _ in range(_NEWTON_STEPS):
        trigamma = special.polygamma(1, estimate)
        estimate = estimate + trigamma * (1 - trigamma / target) / special.polygamma(2, estimate)

    return np.asarray(estimate)
