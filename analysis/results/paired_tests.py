"""Paired comparisons over a handful of seeds. The arithmetic is scipy's; the choices are here.

The differences of two strategies at the same seed are what is tested: data order and initial weights are shared, so
most of the noise cancels. Verdicts rest on `search_gain`; beside them stand the plain paired t interval, an exact
sign-flip permutation test (no assumption about the shape of the noise, but with n seeds it cannot go below 2⁻ⁿ) and a
bootstrap interval.
"""

import dataclasses
import functools
import itertools
import math
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.weightstats import DescrStatsW

_EXACT_UP_TO = 16  # seeds; 2^16 sign flips
_SIGN_FLIPS = 99_999  # that are drawn of more seeds
_SAME_WITHIN = 100 * float(np.finfo(np.float64).eps)
_RATIO_RESAMPLES = 10_000
_BOOTSTRAP_FROM = 5  # fewer seeds resample to a handful of distinct means


@dataclasses.dataclass(frozen=True, kw_only=True)
class Paired:
    """What the differences of paired seeds say, in the unit of the differences; NaN where nothing can be said."""

    seeds: int
    mean: float
    sd: float
    low: float  # 95 % interval of the mean, paired t
    high: float
    bootstrap_low: float  # 95 % interval, BCa bootstrap
    bootstrap_high: float
    p_above: float  # one-sided: the mean exceeds the margin
    p_below: float  # one-sided: the mean stays below the margin
    p_permutation: float  # two-sided, exact sign flips: the mean is not zero
    test: str  # which test p_above and p_below come from


def paired(differences: Sequence[float], margin: float) -> Paired:
    """Tests the mean of paired differences against a margin.

    Args:
        differences: One per seed.
        margin: The smallest mean that matters, in the same unit.
    """
    values = np.asarray(differences, dtype=np.float64)
    n = len(values)
    nan = math.nan

    # One seed, or none: there is a mean at most.
    mean = float(values.mean()) if n else nan
    if n < 2:
        return Paired(
            seeds=n, mean=mean, sd=nan, low=nan, high=nan, bootstrap_low=nan, bootstrap_high=nan,
            p_above=nan, p_below=nan, p_permutation=nan, test="none: one seed",
        )  # fmt: skip

    # Every seed has the same difference: the t test would divide by zero.
    sd = float(values.std(ddof=1))
    if sd < 1e-12 * max(1.0, abs(mean)):
        below, above = _sign_flips(values - margin, "less"), _sign_flips(values - margin, "greater")
        return Paired(
            seeds=n, mean=mean, sd=0.0, low=mean, high=mean, bootstrap_low=nan, bootstrap_high=nan,
            p_above=above, p_below=below, p_permutation=_sign_flips(values, "two-sided"),
            test="exact sign-flip permutation: all differences are equal",
        )  # fmt: skip

    # The usual case: paired t.
    described = DescrStatsW(values)
    low, high = described.tconfint_mean(alpha=0.05)
    bootstrap_low, bootstrap_high = _bootstrap(values)
    return Paired(
        seeds=n,
        mean=mean,
        sd=sd,
        low=float(low),
        high=float(high),
        bootstrap_low=bootstrap_low,
        bootstrap_high=bootstrap_high,
        p_above=float(described.ttest_mean(margin, alternative="larger")[1]),
        p_below=float(described.ttest_mean(margin, alternative="smaller")[1]),
        p_permutation=_sign_flips(values, "two-sided"),
        test="paired t",
    )


def _sign_flips(values: NDArray[np.float64], alternative: str) -> float:
    """Returns the p value of the sign-flip permutation test that the mean is zero, as `scipy.stats` gives it."""
    means, mean = _signs(len(values)) @ values / len(values), float(values.mean())
    ours = 0 if len(values) <= _EXACT_UP_TO else 1  # where flips are drawn, the values as they are count as one more

    # Sums of the same numbers in another order may differ in the last digits.
    least = abs(mean) * _SAME_WITHIN
    counts = {"less": np.count_nonzero(means <= mean + least), "greater": np.count_nonzero(means >= mean - least)}
    p_values = {name: float((count + ours) / (len(means) + ours)) for name, count in counts.items()}
    return p_values[alternative] if alternative in p_values else min(1.0, 2 * min(p_values.values()))


@functools.lru_cache(maxsize=4)
def _signs(seeds: int) -> NDArray[np.float64]:
    """Returns flips of the signs of so many differences, shape (flips, seeds): all there are, or as scipy draws them.

    Drawing them takes a hundred times as long as using them, and a command's settings mostly have as many seeds.
    """
    if seeds <= _EXACT_UP_TO:
        return np.array(list(itertools.product((1.0, -1.0), repeat=seeds)))
    drawn = np.random.default_rng(0).permuted(np.tile([0, 1], (_SIGN_FLIPS, seeds, 1)), axis=-1)
    return 1.0 - 2.0 * drawn[..., 0]


def ratio_of_means(pairs: Sequence[tuple[float, float]]) -> float:
    """Returns the ratio of the means of dividends and divisors; NaN where a part is missing or the divisor is zero."""
    divisor = math.fsum(below for _, below in pairs)
    return math.fsum(above for above, _ in pairs) / divisor if divisor > 0 else math.nan


def ratio_interval(pairs: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Returns the 95 % interval of a ratio of means over paired repeats, by percentile bootstrap; NaN below five pairs.

    Args:
        pairs: Dividend and divisor of each repeat; repeats are drawn as pairs, so that what they share cancels.
    """
    if len(pairs) < _BOOTSTRAP_FROM or any(math.isnan(value) for pair in pairs for value in pair):
        return math.nan, math.nan

    sums = _draws(len(pairs)) @ np.asarray(pairs, dtype=np.float64)
    low, high = np.quantile(sums[:, 0] / sums[:, 1], (0.025, 0.975))
    return float(low), float(high)


@functools.lru_cache(maxsize=4)
def _draws(pairs: int) -> NDArray[np.float64]:
    """Returns how often each of so many pairs is in each resample, shape (resamples, pairs)."""
    drawn = np.random.default_rng(0).integers(pairs, size=(_RATIO_RESAMPLES, pairs))
    return np.stack([(drawn == pair).sum(axis=1, dtype=np.float64) for pair in range(pairs)], axis=1)


def _bootstrap(values: NDArray[np.float64]) -> tuple[float, float]:
    """Returns the BCa bootstrap interval of the mean; NaN with too few seeds."""
    if len(values) < _BOOTSTRAP_FROM:
        return math.nan, math.nan

    with warnings.catch_warnings():
        # Too few distinct values for the acceleration: scipy then answers NaN, which is the honest answer here.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        interval = stats.bootstrap((values,), np.mean, method="BCa", rng=np.random.default_rng(0)).confidence_interval
    return float(interval.low), float(interval.high)


def holm_levels(p_values: Sequence[float], levels: Sequence[float]) -> list[float]:
    """Returns the level at which Holm's procedure tests each of several hypotheses.

    The hypothesis with the smallest p value, measured in its own level, is tested at that level over the number of
    tests; once it is rejected the next one is tested at its level over one less, and so on. What comes after the first
    that is not rejected shares that one's divisor.

    Args:
        p_values: One per hypothesis; NaN (no test) does not count as a test.
        levels: The level that each would have alone.
    """
    shares = [p / level if level > 0 else math.inf for p, level in zip(p_values, levels, strict=True)]
    tests = [number for number, p in enumerate(p_values) if not math.isnan(p)]
    divisors = [max(1, len(tests))] * len(shares)

    divisor = len(tests)
    for number in sorted(tests, key=shares.__getitem__):
        divisors[number] = divisor
        if shares[number] * divisor <= 1:
            divisor = max(1, divisor - 1)

    return [level / count for level, count in zip(levels, divisors, strict=True)]
