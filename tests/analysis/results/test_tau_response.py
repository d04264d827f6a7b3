"""The response to τ: its noise and size against statsmodels, its bounds on generated sweeps."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy import stats

from analysis.results.tau_design import design_of
from analysis.results.tau_response import TauResponse, tau_response
from analysis.results.tau_shapes import shapes
from benchmarks.verdict_generators import NORMAL, TAUS, Scenario, generate, response

SEEDS, GRID = np.repeat(np.arange(3), 19), np.tile(TAUS, 3)


def generated(scenario: Scenario, sweeps: int, salt: int = 0) -> np.ndarray:
    return generate(scenario, np.random.default_rng(salt), sweeps=sweeps, seeds=3).test.reshape(sweeps, -1)


def test_the_pure_error_is_that_of_a_two_way_analysis_of_variance() -> None:
    scores = generated(NORMAL, 1)[0]
    design = design_of(SEEDS, GRID)
    fit = smf.ols("scores ~ C(seed) + C(tau)", pd.DataFrame({"scores": scores, "seed": SEEDS, "tau": GRID})).fit()
    assert design.pure_df == fit.df_resid == 36
    assert ((scores @ design.pure) ** 2).sum() == pytest.approx(fit.ssr)


def test_the_effect_of_a_known_shape_is_that_of_statsmodels() -> None:
    # A straight line in log τ with little noise: the bounds are the t interval of its slope, pure error as the noise.
    random = np.random.default_rng(1)
    scores = 90 + SEEDS + 0.8 * np.log(GRID) + random.normal(0, 0.02, 57)
    found = tau_response(scores, SEEDS, GRID)
    columns = np.column_stack([SEEDS[:, None] == np.arange(3), np.log(GRID)]).astype(float)
    slope = sm.OLS(scores, columns).fit().params[-1]
    assert float(found.best_gain) == pytest.approx(slope * np.log(20 / 4), abs=0.03)
    assert float(found.lower) < slope * np.log(20 / 4) < float(found.upper)
    assert float(found.upper) - float(found.lower) < 0.1
    assert float(found.best_tau) == 20


def test_a_flat_response_is_bounded_closely() -> None:
    found = tau_response(generated(NORMAL, 200), SEEDS, GRID)
    assert (found.fits & (found.upper <= 0.5)).mean() > 0.7
    assert (found.lower > 0).mean() < 0.05
    assert found.fits.mean() > 0.9
    # Without an effect the p value is even.
    assert stats.kstest(found.p_effect, "uniform").pvalue > 0.001


@pytest.mark.parametrize("shape", ["peak", "narrow peak", "lopsided peak", "rising"])
def test_a_gain_of_the_margin_is_not_excluded(shape: str) -> None:
    found = tau_response(generated(Scenario(name=shape, shape=shape, height=0.5), 300), SEEDS, GRID)
    assert (found.fits & (found.upper < 0.5)).mean() < 0.05


def test_the_band_holds_the_whole_curve() -> None:
    scenario = Scenario(name="peak", shape="peak", height=1.2)
    found = tau_response(generated(scenario, 300), SEEDS, GRID)
    truth = response(scenario, found.points)
    inside = ((found.band_low <= truth + 1e-9) & (truth <= found.band_high + 1e-9)).all(axis=1)
    assert inside[found.fits].mean() > 0.9


@pytest.mark.parametrize("taus", [[2.0, 4.0, 8.0, 16.0], [2.0, 4.0, 6.0, 9.0, 13.0, 20.0]])
def test_a_coarse_grid_is_called_rough_as_rarely(taus: list[float]) -> None:
    scores = np.random.default_rng(4).normal(90, 0.3, (1_000, 4 * len(taus)))
    found = tau_response(scores, np.repeat(np.arange(4), len(taus)), np.tile(taus, 4))
    assert 0.93 < found.fits.mean() < 0.99


def test_a_spike_is_not_taken_for_a_curve() -> None:
    found = tau_response(generated(Scenario(name="spike", shape="spike", height=2.0), 50), SEEDS, GRID)
    assert found.fits.mean() < 0.1


def test_collapsed_trainings_are_left_out_and_counted() -> None:
    scores = generated(NORMAL, 1)[0]
    before = tau_response(scores, SEEDS, GRID)
    scores[7] -= 25
    after = tau_response(scores, SEEDS, GRID)
    assert int(after.left_out) == 1
    assert float(after.upper) == pytest.approx(float(before.upper), abs=0.1)
    assert "apart from 1 of 57 trainings that collapsed" in after.sentence(0.5)


def test_a_fall_that_every_seed_shares_is_the_response() -> None:
    scores = generated(NORMAL, 1)[0]
    scores[GRID == 2] -= 25
    assert int(tau_response(scores, SEEDS, GRID).left_out) == 0


def test_fixed_and_search_trainings_add_to_the_grid() -> None:
    random = np.random.default_rng(2)
    seeds, taus = np.append(SEEDS, [0, 1, 2, 3, 3]), np.append(GRID, [4.0, 5.5, 7.3, 4.0, 11.0])
    found = tau_response(90 + random.normal(0, 0.3, 62), seeds, taus)
    assert found.trainings == 62
    assert np.isfinite(found.upper)


def test_a_search_alone_is_bounded_around_a_polynomial() -> None:
    random = np.random.default_rng(3)
    found = tau_response(90 + random.normal(0, 0.3, 45), np.repeat(np.arange(3), 15), random.uniform(2, 20, 45))
    assert np.isfinite(found.upper)
    assert bool(found.fits)


def test_too_few_trainings_say_nothing() -> None:
    found = tau_response(np.array([90.0, 91.0, 90.5]), np.zeros(3, dtype=int), np.array([2.0, 4.0, 8.0]))
    assert np.isnan(found.upper)
    assert "more trainings are needed" in found.sentence(0.5)


def test_scores_that_all_agree_do_not_divide_by_zero() -> None:
    found = tau_response(np.full(57, 97.0), SEEDS, GRID)
    assert float(found.upper) == pytest.approx(0, abs=1e-6)


def test_a_control_outside_the_range_is_refused() -> None:
    with pytest.raises(ValueError, match="outside the trained range 8…16"):
        tau_response(np.zeros(6), np.repeat([0, 1], 3), np.tile([8.0, 12.0, 16.0], 2))


def test_sentences() -> None:
    flat = tau_response(generated(NORMAL, 1), SEEDS, GRID)
    first = one_sweep(flat)
    shown = dataclasses.replace(first, upper=np.array(0.41), lower=np.array(0.0), p_fit=np.array(0.6))
    assert shown.sentence(0.5) == "no τ in 2…20 gains more than 0.41 points over τ=4 (95 %)"
    assert "and none is shown to gain anything" in shown.sentence(0.3)
    gained = dataclasses.replace(
        shown, upper=np.array(1.6), lower=np.array(0.7), best_tau=np.array(8.02), best_gain=np.array(1.2)
    )
    assert gained.sentence(0.5) == "τ ≈ 8 gains 1.20 points over τ=4 (95 %: 0.70 to 1.60)"
    assert "not smooth" in dataclasses.replace(shown, p_fit=np.array(0.001)).sentence(0.5)


def one_sweep(found: TauResponse) -> TauResponse:
    """The first sweep of several."""
    arrays = {field.name: getattr(found, field.name) for field in dataclasses.fields(found)}
    single = {name: value[0] for name, value in arrays.items() if isinstance(value, np.ndarray) and name != "points"}
    return dataclasses.replace(found, **single)


def test_every_shape_is_finite_and_the_widest_ones_bound() -> None:
    found = shapes(TAUS, 2.0, 20.0)
    assert np.isfinite(found.values).all()
    assert found.values.shape[1] == 19
    assert 0 < found.bounding.sum() < len(found.bounding)
