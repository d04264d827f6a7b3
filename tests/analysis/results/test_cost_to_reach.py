"""Expected best of k of n, against enumeration; equal energy; order of a search."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import analysis
from analysis.results.cost_to_reach import best_weights
from greenkd.records import Costs, StrategyKind, TrialStatus
from tests.analysis.sweeps import Plan, Trial, write_sweep

ONE_KWH = 39.6 * 100 / 3.6e6


@given(st.lists(st.floats(0, 1), min_size=1, max_size=7), st.data())
@settings(max_examples=60, deadline=None)
def test_the_expected_best_is_the_mean_over_all_subsets(values: list[float], data: st.DataObject) -> None:
    k = data.draw(st.integers(1, len(values)))
    by_hand = np.mean([max(subset) for subset in itertools.combinations(values, k)])
    expected = best_weights(len(values), k) @ np.sort(values)[::-1]
    assert expected == pytest.approx(by_hand)


def test_k_out_of_range_is_refused() -> None:
    with pytest.raises(ValueError, match="k=0"):
        best_weights(3, 0)


def trials(*pairs: tuple[float, float]) -> list[Trial]:
    return [Trial(tau=2.0 + n, val_score=val, test_score=test) for n, (val, test) in enumerate(pairs)]


def test_a_grid_is_averaged_over_orders_and_the_test_follows_the_choice(tmp_path: Path) -> None:
    planned = trials((0.9, 0.5), (0.8, 0.7), (0.6, 0.9))
    write_sweep(tmp_path, [Plan(strategy="grid", kind=StrategyKind.GRID, seed=0, trials=planned, overhead_s=36.0)])
    sweep = analysis.load(tmp_path)
    curve = analysis.cost_to_reach(sweep, analysis.strategy_runs(sweep))
    curve = curve[curve["strategy"] == "grid"].set_index("k")
    # Of two drawn from three: {1,2} and {1,3} give the first, {2,3} the second.
    assert curve.loc[2, "val_score"] == pytest.approx((0.9 + 0.9 + 0.8) / 3)
    assert curve.loc[2, "test_score"] == pytest.approx((0.5 + 0.5 + 0.7) / 3)
    assert (curve.loc[1, "val_low"], curve.loc[1, "val_high"]) == (0.6, 0.9)
    assert curve.loc[2, "energy_kwh"] == pytest.approx(2 * ONE_KWH + 0.001)
    assert curve.loc[3, "test_score"] == 0.5


def test_rungs_are_paid_before_the_first_trial_is_complete(tmp_path: Path) -> None:
    paused = [Trial(trial=trial, status=TrialStatus.PAUSED, val_score=0.5) for trial in (0, 2)]
    stopped = [Trial(trial=trial, status=TrialStatus.PRUNED, val_score=0.4) for trial in (1, 3)]
    complete = [Trial(trial=0, attempt=1, val_score=0.8), Trial(trial=2, attempt=1, val_score=0.9)]
    planned = [*paused, *stopped, *complete]
    write_sweep(tmp_path, [Plan(strategy="halving", kind=StrategyKind.SEARCH, seed=0, trials=planned)])
    sweep = analysis.load(tmp_path)
    curve = analysis.cost_to_reach(sweep, analysis.strategy_runs(sweep))
    assert list(curve["energy_kwh"]) == pytest.approx([5 * ONE_KWH, 6 * ONE_KWH])
    assert list(curve["val_score"]) == [0.8, 0.9]


def test_restarts_pay_their_logits_one_by_one_and_a_grid_its_own_before_all(tmp_path: Path) -> None:
    logits = Costs(energy_kwh=3 * ONE_KWH, co2eq_g=1.0, duration_s=3.0, cpu_s=3.0, flops=3.0, forward_flops=3.0)
    three = [Trial(tau=4.0, restart=restart, val_score=0.9 - restart / 100) for restart in range(3)]
    plans = [
        Plan(strategy="restarts", kind=StrategyKind.RESTARTS, seed=0, trials=three, logits=logits, overhead_s=36.0),
        Plan(strategy="grid", kind=StrategyKind.GRID, seed=0, trials=trials((0.9, 0.5), (0.8, 0.7)), logits=logits),
    ]
    write_sweep(tmp_path, plans)
    sweep = analysis.load(tmp_path)
    curves = analysis.cost_to_reach(sweep, analysis.strategy_runs(sweep))

    of = {name: curve["energy_kwh"].to_list() for name, curve in curves.groupby("strategy")}
    assert of["restarts"] == pytest.approx([0.001 + k * 2 * ONE_KWH for k in (1, 2, 3)])
    assert of["grid"] == pytest.approx([3 * ONE_KWH + k * ONE_KWH for k in (1, 2)])


def test_a_search_keeps_its_order(tmp_path: Path) -> None:
    planned = trials((0.6, 0.9), (0.9, 0.5), (0.8, 0.7))
    write_sweep(tmp_path, [Plan(strategy="optuna", kind=StrategyKind.SEARCH, seed=0, trials=planned)])
    sweep = analysis.load(tmp_path)
    curve = analysis.cost_to_reach(sweep, analysis.strategy_runs(sweep))
    assert list(curve["val_score"]) == [0.6, 0.9, 0.9]
    assert list(curve["test_score"]) == [0.9, 0.5, 0.5]
    assert list(curve["order"]) == ["run"] * 3


def test_equal_energy_spends_the_same_on_points_and_on_seeds(tmp_path: Path) -> None:
    plans = []
    for seed, (val, test) in enumerate([(0.9, 0.6), (0.8, 0.7)]):
        plans.append(Plan(strategy="grid", kind=StrategyKind.GRID, seed=seed, trials=trials((0.9, 0.8), (0.7, 0.6))))
        one = [Trial(tau=None, val_score=val, test_score=test)]
        plans.append(Plan(strategy="stochastic", kind=StrategyKind.STOCHASTIC, seed=seed, trials=one))
    write_sweep(tmp_path, plans)
    sweep = analysis.load(tmp_path)
    found = analysis.equal_energy(sweep, analysis.strategy_runs(sweep))
    got = {(row.strategy, row.k): row.test_score for row in found.itertuples()}
    assert got["grid", 1] == pytest.approx(0.7)
    assert got["grid", 2] == pytest.approx(0.8)
    assert got["stochastic", 1] == pytest.approx(0.65)
    assert got["stochastic", 2] == pytest.approx(0.6)  # the better on validation
    assert list(found["spent"] / found["k"]) == pytest.approx([ONE_KWH] * len(found))
