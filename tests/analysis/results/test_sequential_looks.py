"""Bounds of planned looks against published tables and the multivariate normal distribution."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.results.sequential_looks import (
    ALPHA,
    PLANNED_LOOKS,
    crossing_probabilities,
    nominal_level,
    seeds_to_decide,
    spent,
)

EQUAL = (1, 2, 3, 4, 5)


def test_pocock_bounds_of_five_looks() -> None:
    # Jennison and Turnbull (2000), table 2.1: C_P(5, 0.05) = 2.413, nominal two-sided level 0.0158.
    assert sum(crossing_probabilities(EQUAL, [2.413] * 5)) == pytest.approx(0.025, abs=2e-5)
    assert 2 * stats.norm.sf(2.413) == pytest.approx(0.0158, abs=5e-5)


def test_obrien_fleming_bounds_of_five_looks() -> None:
    # The same, table 2.3: C_B(5, 0.05) = 2.040, bounds 2.040·√(5/k).
    bounds = [2.040 * math.sqrt(5 / look) for look in EQUAL]
    assert sum(crossing_probabilities(EQUAL, bounds)) == pytest.approx(0.025, abs=2e-5)


def test_the_first_look_spends_its_share() -> None:
    assert spent(20) == ALPHA
    assert spent(30) == ALPHA
    assert nominal_level(3) == pytest.approx(0.05 * (3 / 20) ** 0.53)


def test_all_planned_looks_together_are_wrong_with_chance_alpha() -> None:
    levels = [nominal_level(look, PLANNED_LOOKS[:number]) for number, look in enumerate(PLANNED_LOOKS)]
    bounds = stats.norm.isf(levels)
    looks = np.array(PLANNED_LOOKS, dtype=float)
    correlation = np.sqrt(np.minimum.outer(looks, looks) / np.maximum.outer(looks, looks))
    joint = stats.multivariate_normal(cov=correlation, seed=1).cdf(bounds)
    assert 1 - joint == pytest.approx(ALPHA, abs=2e-4)
    # Looking at three and five seeds at 5 % each would be wrong more often than 5 %.
    assert sum(crossing_probabilities((3, 5), stats.norm.isf([0.05, 0.05]))) > 0.075


def test_a_look_without_new_seeds_costs_nothing() -> None:
    assert nominal_level(5, [3, 5, 5]) == nominal_level(5, [3])


def test_after_the_plan_nothing_is_left() -> None:
    assert nominal_level(25, [3, 20]) == 0.0
    assert nominal_level(25) == pytest.approx(ALPHA)


def test_a_look_needs_a_seed() -> None:
    with pytest.raises(ValueError, match="at least one seed"):
        nominal_level(0)


def test_more_seeds_are_a_range() -> None:
    # The true distance may be 0.7: at 5 seeds that is 4.5 standard errors, more than 2.30 + 0.84. Or it may be 0.3:
    # at 12 seeds 3.00 standard errors, less than 2.21 + 0.84; at 20 seeds 3.87, more than 2.07 + 0.84.
    found = seeds_to_decide(-0.5, 0.2, 3)
    assert (found.fewest, found.most) == (2, 17)
    assert found.sentence == "2 to 17 more seeds would probably decide"


def test_a_verdict_that_shares_its_level_needs_more_seeds() -> None:
    # The gain may be 0.6 from the margin: at 5 seeds 3.87 standard errors, more than 2.30 + 0.84. At a twelfth of the
    # level it is less than 3.12 + 0.84; at 8 seeds 4.90 standard errors are more than 3.09 + 0.84.
    assert seeds_to_decide(-0.4, 0.2, 3).fewest == 2
    assert seeds_to_decide(-0.4, 0.2, 3, share=1 / 12).fewest == 5


def test_a_gain_near_the_margin_may_need_more_than_the_plan() -> None:
    found = seeds_to_decide(0.1, 0.2, 3)
    assert found.most is None
    assert "more than the 20 seeds" in found.sentence
    assert "too close" in seeds_to_decide(0.0, 0.01, 20).sentence
