"""The statistics by hand and against published tables."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.results.paired_tests import holm_levels, paired, ratio_interval


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


def test_holm_levels_by_hand() -> None:
    # Sorted 0.01, 0.02, 0.04: three tests at 0.05 / 3, then 0.05 / 2, then 0.05 / 1.
    levels = holm_levels([0.04, 0.01, math.nan, 0.02], [0.05] * 4)
    assert levels[:2] == pytest.approx([0.05, 0.05 / 3])
    assert levels[3] == pytest.approx(0.05 / 2)

    # The smallest is not rejected at 0.05 / 3: nothing is, and none is tested more leniently.
    assert holm_levels([0.04, 0.02, 0.03], [0.05] * 3) == pytest.approx([0.05 / 3] * 3)


def test_holm_levels_measure_each_p_value_in_its_own_level() -> None:
    # 0.012 is twelve tenths of 0.01, 0.02 is four tenths of 0.05: the second is tested first.
    assert holm_levels([0.012, 0.02], [0.01, 0.05]) == pytest.approx([0.01, 0.025])


def test_ratio_intervals_resample_pairs() -> None:
    assert ratio_interval([(2.0 * value, value) for value in (1.0, 2.0, 3.0, 5.0, 8.0)]) == (2.0, 2.0)
    low, high = ratio_interval([(4.0, 2.0), (5.0, 2.0), (6.0, 2.0), (7.0, 2.0), (8.0, 2.0)])
    assert 2.0 <= low < 3.0 < high <= 4.0
    assert np.isnan(ratio_interval([(4.0, 2.0)] * 4)).all()
