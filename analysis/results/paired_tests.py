"""Paired comparisons over a handful of seeds. The arithmetic is scipy's and statsmodels'; the choices are here.

The differences of two strategies at the same seed are what is tested: data order and initial weights are shared, so
most of the noise cancels. The decisions rest on one-sided paired t tests against a margin, corrected by Holm over all
comparisons of a report. An exact sign-flip permutation test (no assumption about the shape of the noise, but with n
seeds it cannot go below 2⁻ⁿ) and a bootstrap interval stand beside them.
"""

import dataclasses
import math
import warnings
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower
from statsmodels.stats.weightstats import DescrStatsW

POWER = 0.8
MOST_SEEDS = 10_000
_EXACT_UP_TO = 16  # seeds; 2^16 sign flips
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
    """Returns the p value of the sign-flip permutation test that the mean is zero."""
    exact = len(values) <= _EXACT_UP_TO
    result = stats.permutation_test(
        (values,),
        np.mean,
        permutation_type="samples",
        vectorized=True,
        n_resamples=np.inf if exact else 99_999,
        alternative=alternative,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


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

    values = np.asarray(pairs, dtype=np.float64)
    drawn = np.random.default_rng(0).integers(len(values), size=(_RATIO_RESAMPLES, len(values)))
    sums = values[drawn].sum(axis=1)
    low, high = np.quantile(sums[:, 0] / sums[:, 1], (0.025, 0.975))
    return float(low), float(high)


def _bootstrap(values: NDArray[np.float64]) -> tuple[float, float]:
    """Returns the BCa bootstrap interval of the mean; NaN with too few seeds."""
    if len(values) < _BOOTSTRAP_FROM:
        return math.nan, math.nan

    with warnings.catch_warnings():
        # Too few distinct values for the acceleration: scipy then answers NaN, which is the honest answer here.
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        interval = stats.bootstrap((values,), np.mean, method="BCa", rng=np.random.default_rng(0)).confidence_interval
    return float(interval.low), float(interval.high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Returns p values after Holm's correction; NaN (no test) stays NaN and does not count as a test."""
    known = [value for value in p_values if not math.isnan(value)]
    if not known:
        return list(p_values)

    corrected = iter(multipletests(known, method="holm")[1])
    return [math.nan if math.isnan(value) else float(next(corrected)) for value in p_values]


def seeds_needed(distance: float, sd: float, *, tests: int, alpha: float, power: float = POWER) -> int | None:
    """Returns the number of paired seeds at which a one-sided t test would decide with the given power.

    Args:
        distance: How far the true mean is from the margin; its sign does not matter.
        sd: Standard deviation of the differences.
        tests: Tests in the family; the first Holm step, alpha / tests, is what has to be passed.
        alpha: Family-wise error rate.
        power: Probability of deciding.

    Returns:
        The number of seeds, at least 2; None if it is more than `MOST_SEEDS` or cannot be computed.
    """
    if math.isnan(distance) or math.isnan(sd) or distance == 0:
        return None
    if sd == 0:  # all seeds agree: the sign-flip test decides, and needs 2⁻ⁿ ≤ alpha / tests
        return max(2, math.ceil(math.log2(tests / alpha)))

    effect = abs(distance) / sd
    test = TTestPower()

    def enough(n: int) -> bool:
        return bool(test.power(effect, n, alpha / tests, alternative="larger") >= power)

    # Power grows with the number of seeds, so the smallest number is found by halving.
    low, high = 2, MOST_SEEDS
    if not enough(high):
        return None

    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle + 1, high)
    return low
