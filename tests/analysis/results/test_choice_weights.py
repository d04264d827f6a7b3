"""Chances of being chosen against closed forms and a simulation."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.results.choice_weights import chances


def test_two_trials_have_the_normal_chance() -> None:
    # v₁ − v₂ = 1 and noise 0.5 on both: Φ(1 / (0.5·√2)).
    expected = stats.norm.cdf(1 / (0.5 * math.sqrt(2)))
    assert chances(np.array([90.0, 89.0]), np.array(0.5)) == pytest.approx([expected, 1 - expected], abs=1e-5)


def test_equal_trials_have_equal_chances() -> None:
    assert chances(np.full(3, 80.0), np.array(0.1)) == pytest.approx([1 / 3] * 3)


def test_without_noise_the_winner_takes_all() -> None:
    assert chances(np.array([1.0, 3.0, 2.0]), np.array(0.0)) == pytest.approx([0, 1, 0])


def test_a_missing_trial_is_never_chosen() -> None:
    assert chances(np.array([1.0, math.nan, 1.0]), np.array(1.0)) == pytest.approx([0.5, 0, 0.5])


def test_many_trials_agree_with_a_simulation() -> None:
    random = np.random.default_rng(3)
    scores = random.normal(90, 0.5, (2, 19))
    noise = np.array([0.3, 0.6])
    drawn = scores[:, None] + noise[:, None, None] * random.standard_normal((2, 100_000, 19))
    simulated = np.stack([np.bincount(row, minlength=19) / 100_000 for row in drawn.argmax(axis=-1)])
    assert chances(scores, noise) == pytest.approx(simulated, abs=0.006)
