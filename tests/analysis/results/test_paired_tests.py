"""The statistics by hand and against published tables."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.results.paired_tests import holm, paired, ratio_interval, seeds_needed


def test_paired_t_by_hand() -> None:
    # 1, 2, 3: mean 2, sd 1, standard error 1/√3; t(2) at 97.5 % is 4.3027.
    found = paired([1.0, 2.0, 3.0], margin=0.5)
    assert (found.mean, found.sd) == (2.0, 1.0)
    assert found.low == pytest.approx(2 - 4.302653 / math.sqrt(3), abs=1e-5)
    assert found.high == pytest.approx(2 + 4.302653 / math.sqrt(3), abs=1e-5)
    assert found.p_above == pytest.approx(stats.t.sf((2 - 0.5) * math.sqrt(3), 2))
    assert found.p_below == pytest.approx(1 - found.p_above)
    # All signs equal: 2 of the 8 sign patterns are as extreme.
    assert found.p_permutation == pytest.approx(2 / 8)
    assert math.isnan(found.bootstrap_low)


def test_the_permutation_test_counts_sign_patterns() -> None:
    # Sums of ±3 ±1 ±1 of size 3 or more: 5, 3, 3 and their negatives, 6 of 8.
    assert paired([3.0, 1.0, -1.0], 0.0).p_permutation == pytest.approx(6 / 8)


def test_equal_differences_do_not_divide_by_zero() -> None:
    found = paired([0.0] * 6, margin=0.5)
    assert found.p_below == pytest.approx(2**-6)
    assert found.p_above == 1.0
    assert "sign-flip" in found.test


def test_one_seed_has_no_interval() -> None:
    found = paired([0.7], 0.5)
    assert found.mean == 0.7
    assert math.isnan(found.low)
    assert math.isnan(found.p_above)


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.04 times 3, 2, 1, never falling.
    assert holm([0.04, 0.01, math.nan, 0.02]) == pytest.approx([0.04, 0.03, math.nan, 0.04], nan_ok=True)


@pytest.mark.parametrize(("effect", "seeds"), [(1.0, 8), (0.5, 27)])
def test_seeds_needed_agrees_with_published_tables(effect: float, seeds: int) -> None:
    # One-sided paired t, α 0.05, power 0.8: G*Power 3.1 gives n = 8 for d = 1 and 27 for d = 0.5.
    assert seeds_needed(effect, 1.0, tests=1, alpha=0.05) == seeds
    assert (seeds_needed(effect, 1.0, tests=4, alpha=0.05) or 0) > seeds


def test_seeds_needed_where_it_cannot_be_told() -> None:
    assert seeds_needed(0.0, 1.0, tests=1, alpha=0.05) is None
    assert seeds_needed(1e-6, 1.0, tests=1, alpha=0.05) is None
    assert seeds_needed(0.5, 0.0, tests=1, alpha=0.05) == 5  # 2⁻⁵ is the first below 0.05


def test_ratio_intervals_resample_pairs() -> None:
    assert ratio_interval([(2.0 * value, value) for value in (1.0, 2.0, 3.0, 5.0, 8.0)]) == (2.0, 2.0)
    low, high = ratio_interval([(4.0, 2.0), (5.0, 2.0), (6.0, 2.0), (7.0, 2.0), (8.0, 2.0)])
    assert 2.0 <= low < 3.0 < high <= 4.0
    assert np.isnan(ratio_interval([(4.0, 2.0)] * 4)).all()
