"""The additive fit against ordinary least squares by another route."""

import numpy as np
import pytest
import statsmodels.api as sm

from analysis.results.grid_model import additive_fit, curve_basis, not_collapsed

TAUS = np.tile(np.arange(2.0, 21.0), (3, 1))


def least_squares(scores: np.ndarray, taus: np.ndarray) -> np.ndarray:
    """Fitted values of statsmodels' OLS on seed dummies and a cubic in log τ; NaN scores are left out."""
    seeds = np.repeat(np.arange(len(scores)), scores.shape[1])
    logs = np.log(taus).ravel()
    columns = np.column_stack([seeds[:, None] == np.arange(len(scores)), logs, logs**2, logs**3]).astype(float)
    kept = ~np.isnan(scores).ravel()
    fit = sm.OLS(scores.ravel()[kept], columns[kept]).fit()
    return fit.predict(columns).reshape(scores.shape)


def test_a_complete_grid_is_fitted_as_by_statsmodels() -> None:
    scores = 90 + np.random.default_rng(0).normal(0, 0.3, (3, 19)) + 0.4 * np.log(TAUS)
    found = additive_fit(scores, np.ones((3, 19), bool), curve_basis(TAUS, (3, 19)), replicated=False)
    assert found.level + found.curve == pytest.approx(least_squares(scores, TAUS))
    assert found.residual == pytest.approx(scores - least_squares(scores, TAUS))


def test_missing_trials_are_left_out() -> None:
    scores = 90 + np.random.default_rng(1).normal(0, 0.3, (3, 19))
    scores[0, 3] = scores[2, 17] = np.nan
    found = additive_fit(scores, ~np.isnan(scores), curve_basis(TAUS, (3, 19)), replicated=False)
    assert found.level + found.curve == pytest.approx(least_squares(scores, TAUS), abs=1e-3)
    assert found.residual[0, 3] == 0


def test_trials_of_a_search_may_differ_between_seeds() -> None:
    random = np.random.default_rng(2)
    taus = random.uniform(2, 20, (3, 15))
    scores = 90 + random.normal(0, 0.3, (3, 15)) + np.log(taus)
    found = additive_fit(scores, np.ones((3, 15), bool), curve_basis(taus, (3, 15)), replicated=False)
    assert found.level + found.curve == pytest.approx(least_squares(scores, taus))


def test_the_noise_is_the_pure_error() -> None:
    # Two-way analysis of variance without interaction: the residual has (3 − 1)·(19 − 1) degrees of freedom.
    scores = np.random.default_rng(3).normal(90, 0.3, (3, 19))
    found = additive_fit(scores, np.ones((3, 19), bool), curve_basis(TAUS, (3, 19)), replicated=True)
    residual = scores - scores.mean(1, keepdims=True) - scores.mean(0) + scores.mean()
    assert (found.noise**2).mean() == pytest.approx((residual**2).sum() / 36)


def test_a_spike_that_all_seeds_share_stays_in_the_curve() -> None:
    scores = np.random.default_rng(4).normal(90, 0.05, (3, 19))
    scores[:, 7] += 2
    found = additive_fit(scores, np.ones((3, 19), bool), curve_basis(TAUS, (3, 19)), replicated=True)
    assert found.curve[0, 7] - found.curve[0, 6] == pytest.approx(2, abs=0.2)


def test_a_fallen_training_counts_as_collapsed() -> None:
    scores = np.random.default_rng(5).normal(90, 0.3, (3, 19))
    scores[1, 4] -= 20
    scores[2, 5] = np.nan
    kept = not_collapsed(scores)
    assert not kept[1, 4]
    assert not kept[2, 5]
    assert kept.sum() == 3 * 19 - 2
