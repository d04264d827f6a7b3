"""The Gaussian process per kWh: its acquisition by another route, and what the energy changes."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import optuna
import pytest
from numpy.typing import NDArray
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution
from scipy.integrate import quad
from scipy.stats import norm

from greenkd.temperature.gp_per_kwh import GpPerKwh, _Process, expected_improvement
from greenkd.temperature.own_samplers import energy_by_trial
from tests.temperature.test_study import accuracy, row, run, strategy, study

TAU = FloatDistribution(2.0, 20.0)
BOTH: dict[str, BaseDistribution] = {"tau": TAU, "training.epochs": IntDistribution(1, 30)}


def history(trials: int) -> list[tuple[dict[str, float], float]]:
    """Parameters and scores of made-up trials, which do not depend on the epochs."""
    generator = np.random.default_rng(3)
    made = []
    for _ in range(trials):
        params = {"tau": generator.uniform(2, 20), "training.epochs": int(generator.integers(1, 31))}
        made.append((params, 0.8 - (params["tau"] - 6) ** 2 / 400 + generator.normal(0, 0.02)))
    return made


def proposal(space: dict[str, BaseDistribution], energy_kwh: dict[int, float]) -> dict[str, float]:
    """What is proposed after eight trials."""
    made = optuna.create_study(direction="maximize")
    for trial, (params, value) in enumerate(history(8)):
        kept = {name: params[name] for name in space}
        attributes = {"trial": trial}
        made.add_trial(
            optuna.trial.create_trial(params=kept, distributions=space, values=[value], user_attrs=attributes)
        )

    made.sampler = sampler = GpPerKwh(space, seed=8)
    sampler.energy_kwh = energy_kwh
    return made.ask(space).params


def test_expected_improvement_is_the_integral_over_the_process() -> None:
    tried = np.array([[0.05], [0.3], [0.55], [0.8], [0.95]])
    scores = np.array([0.71, 0.78, 0.8, 0.74, 0.7])
    candidates = np.array([[0.1], [0.42], [0.5], [0.99]])
    got = expected_improvement(tried, scores, np.empty((0, 1)), candidates)

    # The posterior by plain linear algebra, with the kernel that was fitted; the integral by quadrature
    kernel = _Process(tried, scores)._regressor.kernel_
    amplitude, length, noise = (
        kernel.k1.k1.constant_value,
        np.ravel(kernel.k1.k2.length_scale)[0],
        kernel.k2.noise_level,
    )

    def covariance(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
        distance = math.sqrt(5) * np.abs(a - b.T) / length
        return np.asarray(amplitude * (1 + distance + distance**2 / 3) * np.exp(-distance))

    standard = (scores - scores.mean()) / scores.std()
    inverse = np.linalg.inv(covariance(tried, tried) + noise * np.eye(5))
    best = (covariance(tried, tried) @ inverse @ standard).max()
    for candidate, value in zip(candidates, got, strict=True):
        to_tried = covariance(candidate[None], tried)
        mean = (to_tried @ inverse @ standard).item()
        sd = math.sqrt(amplitude - (to_tried @ inverse @ to_tried.T).item())
        integral, _ = quad(lambda y, m=mean, s=sd: (y - best) * norm.pdf(y, m, s), best, best + 12 * sd)
        assert value == pytest.approx(scores.std() * integral, rel=1e-5, abs=1e-12)


def test_the_same_seed_and_history_propose_the_same() -> None:
    assert proposal(BOTH, {}) == proposal(BOTH, {})


def test_a_study_that_is_built_anew_from_the_rows_proposes_what_the_lost_one_would_have(tmp_path: Path) -> None:
    search = strategy("OptunaSearch", sampler="gp_per_kwh", n_trials=8)
    for name in ("whole", "anew"):
        (tmp_path / name).mkdir()
    whole = run(study(search, tmp_path / "whole"), lambda p: accuracy(p.params))
    rows = [row(p.trial, float(p.params["tau"]), val=accuracy(p.params)) for p in whole[:6]]

    anew = study(search, tmp_path / "anew")
    anew.reconcile(lambda: [dataclasses.replace(each, energy_kwh=1e-5 * (1 + each.trial)) for each in rows])
    assert [p.params for p in run(anew, lambda p: accuracy(p.params))] == [p.params for p in whole[6:]]


def test_energy_changes_nothing_where_tau_alone_is_searched() -> None:
    noisy = {trial: 1e-5 * (1 + 0.2 * math.sin(trial)) for trial in range(8)}
    assert proposal({"tau": TAU}, noisy) == proposal({"tau": TAU}, {})


def test_cheaper_trainings_are_preferred_where_energy_differs() -> None:
    epochs = [params["training.epochs"] for params, _ in history(8)]
    rising = {trial: 1e-6 * number for trial, number in enumerate(epochs)}
    falling = {trial: 1e-6 * (31 - number) for trial, number in enumerate(epochs)}
    assert proposal(BOTH, rising)["training.epochs"] <= 3
    assert proposal(BOTH, falling)["training.epochs"] >= 28
    assert proposal(BOTH, rising) == proposal(BOTH, {trial: 7 * kwh for trial, kwh in rising.items()})


def test_a_training_that_runs_lowers_the_improvement_around_it() -> None:
    tried, scores = np.array([[0.05], [0.3], [0.55], [0.95]]), np.array([0.71, 0.78, 0.77, 0.7])
    candidates = np.linspace(0, 1, 101)[:, None]
    alone = expected_improvement(tried, scores, np.empty((0, 1)), candidates)
    place = int(np.argmax(alone))
    beside = expected_improvement(tried, scores, candidates[place][None], candidates)
    assert beside[place] < alone[place] / 2
    assert int(np.argmax(beside)) != place


def test_what_a_trial_took_is_the_sum_of_its_attempts() -> None:
    first, second = row(0, 2.0), row(1, 4.0)
    rows = [first, *(second.__class__(**{**vars(second), "attempt": n, "energy_kwh": 2.0}) for n in (0, 0, 1))]
    assert energy_by_trial(rows) == {1: 4.0}  # the same attempt twice is one; what is not known is left out
