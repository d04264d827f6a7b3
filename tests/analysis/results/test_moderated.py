"""Smyth's moderated variance against values worked by hand."""

import math

import numpy as np
import pytest

from analysis.results.moderated import (
    believed_degrees_of_freedom,
    moderated_variance,
    prior_degrees_of_freedom,
    trigamma_inverse,
)


def test_the_posterior_variance_is_the_mean_weighted_by_degrees_of_freedom() -> None:
    # Prior 1 worth 4 degrees of freedom, own 4 with 2: (4·1 + 2·4) / 6.
    assert moderated_variance(4.0, 2, 1.0, 4.0) == pytest.approx(2.0)
    # Without a prior it is the own variance.
    assert moderated_variance([4.0, 9.0], 2, 1.0, 0.0) == pytest.approx([4.0, 9.0])


def test_a_prior_that_the_values_contradict_is_believed_less() -> None:
    # With two degrees of freedom 2·s²/s₀² exceeds −2·log(p) with chance p: half of one in ten, and three in ten.
    variances = [-math.log(0.05), -math.log(0.3)]
    assert believed_degrees_of_freedom(variances, 2, 1.0, 4.0) == pytest.approx([2.0, 4.0])
    # Values that agree contradict no prior, and any spread contradicts one of none.
    assert believed_degrees_of_freedom([0.0, 1.0], 2, [1.0, 0.0], 4.0) == pytest.approx([4.0, 0.0])


def test_trigamma_inverse_at_known_values() -> None:
    # trigamma(1) = π²/6, trigamma(1/2) = π²/2, trigamma(2) = π²/6 − 1.
    values = [math.pi**2 / 6, math.pi**2 / 2, math.pi**2 / 6 - 1]
    assert trigamma_inverse(values) == pytest.approx([1.0, 0.5, 2.0])


def test_prior_degrees_of_freedom_by_hand() -> None:
    # The logs of e^a and e^−a have variance 2a². With two degrees of freedom each, chance alone gives trigamma(1) =
    # π²/6. For a = π/√6 the excess is π²/3 − π²/6 = π²/6 = trigamma(1), so d₀ = 2.
    a = math.pi / math.sqrt(6)
    assert prior_degrees_of_freedom([math.exp(a), math.exp(-a)], 2) == pytest.approx(2.0)


def test_equal_variances_have_an_infinite_prior() -> None:
    assert prior_degrees_of_freedom([1.0, 1.0, 1.0], 2) == math.inf


def test_prior_degrees_of_freedom_of_many_groups_are_found() -> None:
    # Variances drawn as Smyth's model says: σ² = 6·s₀²/χ²(6), s² = σ²·χ²(4)/4.
    random = np.random.default_rng(1)
    variances = 6 / random.chisquare(6, 20_000) * random.chisquare(4, 20_000) / 4
    assert float(prior_degrees_of_freedom(variances, 4)) == pytest.approx(6, rel=0.1)


def test_a_variance_of_zero_does_not_divide_by_zero() -> None:
    assert np.isfinite(prior_degrees_of_freedom([0.0, 1.0, 1.0, 2.0], 2))
