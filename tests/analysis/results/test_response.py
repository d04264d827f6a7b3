"""What any τ can gain, from records: which trainings inform it, and what is said where there is no curve."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import analysis
from analysis.results.response import SettingResponse
from analysis.results.tau_response import tau_response
from greenkd.records import StrategyKind
from tests.analysis.plans import Plan, Trial, fixed, grid, stochastic
from tests.analysis.sweeps import write_sweep

TAUS = np.array([2.0, 4.0, 8.0, 12.0, 16.0, 20.0])


def of_plans(root: Path, plans: list[Plan]) -> list[SettingResponse]:
    write_sweep(root, plans)
    return analysis.responses(analysis.compare(analysis.load(root)))


def grids(test: np.ndarray, loss: np.ndarray) -> list[Plan]:
    """One grid per row of the scores in points."""
    return [
        grid(
            seed,
            *(
                Trial(tau=tau, test_score=score / 100, test_loss=value)
                for tau, score, value in zip(TAUS, test[seed], loss[seed], strict=True)
            ),
        )
        for seed in range(len(test))
    ]


def test_all_trainings_at_one_tau_inform_the_curve_and_each_once(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    test, loss = 90 + random.normal(0, 0.3, (3, 6)), 0.4 + random.normal(0, 0.01, (3, 6))
    plans = grids(test, loss)

    # The same training again, one at another τ, and two kinds that have no one τ or differ in more than τ.
    same = Trial(tau=4.0, test_score=test[0, 1] / 100, test_loss=loss[0, 1])
    again = Plan(strategy="fixed", kind=StrategyKind.FIXED, seed=0, trials=[same])
    search = Plan(
        strategy="optuna", kind=StrategyKind.SEARCH, seed=1, trials=[Trial(tau=5.5, test_score=0.901, test_loss=0.39)]
    )
    restarts = Plan(strategy="restarts", kind=StrategyKind.RESTARTS, seed=1, trials=[Trial(tau=4.0, test_score=0.1)])
    (found,) = of_plans(tmp_path, [*plans, again, search, restarts, stochastic(2)])

    seeds, taus = np.append(np.repeat(np.arange(3), 6), 1), np.append(np.tile(TAUS, 3), 5.5)
    expected = tau_response(np.append(test.ravel(), 90.1), seeds, taus)
    assert found.score.response is not None
    assert found.score.response.trainings == 19
    assert float(found.score.response.upper) == pytest.approx(float(expected.upper))

    of_loss = tau_response(-np.append(loss.ravel(), 0.39), seeds, taus)
    assert found.loss is not None
    assert found.loss.response is not None
    assert float(found.loss.response.upper) == pytest.approx(float(of_loss.upper))
    assert f"no τ in 2…20 gains more than {float(expected.upper):.2f} points over τ=4" in found.sentence(0.5)
    assert "; in cross-entropy " in found.sentence(0.5)
    assert "Test images, split and teacher were the same for all seeds" in found.sentence(0.5)


def test_an_effect_on_the_loss_is_said_where_accuracy_shows_none(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    test = 90 + random.normal(0, 0.3, (4, 6))
    loss = 0.5 - 0.05 * np.exp(-(np.log(TAUS / 8) ** 2)) + random.normal(0, 0.006, (4, 6))
    (found,) = of_plans(tmp_path, grids(test, loss))
    said = found.sentence(0.5)
    assert "kd: no τ in 2…20 gains more than" in said
    assert "; in cross-entropy τ ≈ " in said
    assert "nats over τ=4 (95 %: 0.0" in said


def test_a_response_that_is_not_smooth_has_no_bound(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    test = 90 + random.normal(0, 0.1, (4, 6)) + np.array([0, 0, 5, 0, 5, 0])
    (found,) = of_plans(tmp_path, grids(test, 0.4 + random.normal(0, 0.01, (4, 6))))
    assert "kd: the response to τ is not smooth (p = " in found.sentence(0.5)
    assert "no bound for all τ at once" in found.sentence(0.5)


def test_without_a_control_in_the_range_there_is_no_first_line_but_words(tmp_path: Path) -> None:
    (found,) = of_plans(tmp_path, [fixed(seed, tau, test=0.8 + tau / 100) for seed in (0, 1) for tau in (6.0, 9.0)])
    assert "there is no fixed control: τ=4 lies outside the trained range 6…9" in found.sentence(0.5)


def test_equal_trainings_are_said_to_be_equal(tmp_path: Path) -> None:
    (found,) = of_plans(tmp_path, [grid(seed, Trial(tau=2.0), Trial(tau=4.0)) for seed in (0, 1)])
    assert "all 4 trainings are equal, whatever their τ" in found.sentence(0.5)


def test_one_tau_has_no_response(tmp_path: Path) -> None:
    assert of_plans(tmp_path, [fixed(0, 4.0), stochastic(0)]) == []


def test_seeds_that_differ_in_everything_are_said_to(tmp_path: Path) -> None:
    (found,) = of_plans(tmp_path, [grid(0, Trial(tau=2.0), Trial(tau=4.0))])
    assert "Seeds differ in split and teacher" in dataclasses.replace(found, held_fixed=()).scope
    assert "Test images and split were the same" in dataclasses.replace(found, held_fixed=("split",)).scope
