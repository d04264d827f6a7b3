"""Searches over more than τ in tables and verdicts, against sweeps whose truth is written down beforehand."""

from pathlib import Path

import pytest

import analysis
from greenkd.records import Costs, StrategyKind, TauSource
from tests.analysis.plans import GRID, Plan, Trial, fixed, grid, stochastic
from tests.analysis.sweeps import write_sweep

ONE_KWH = 39.6 * 100 / 3.6e6


def test_a_search_over_more_than_tau_is_named_and_lends_only_comparable_trainings(tmp_path: Path) -> None:
    own = {"objective.alpha": 0.9}
    trials = [
        Trial(tau=tau, others={"objective.alpha": alpha}, val_score=val, test_score=test)
        for tau, alpha, val, test in (
            (4.0, 0.5, 0.95, 0.71), (4.0, 0.9, 0.90, 0.72), (8.0, 0.5, 0.91, 0.73), (8.0, 0.9, 0.92, 0.74),
        )
    ]  # fmt: skip
    write_sweep(tmp_path, [grid(seed, *trials, searched=own) for seed in (0, 1)] + [stochastic(0), stochastic(1)])
    comparison = analysis.compare(analysis.load(tmp_path))
    found = comparison.table.set_index("strategy")

    tuned = found.loc["grid τ × objective.alpha"]
    assert (tuned["test_score_mean"], tuned["trials_per_seed"]) == (0.71, 4)
    assert tuned["tuning_energy_kwh"] == pytest.approx(4 * ONE_KWH)
    # The first trial at τ=4 has another alpha than every other strategy.
    assert found.loc["fixed τ=4 (from grid, no extra cost)", "test_score_mean"] == 0.72

    (shown,) = analysis.comparison_tables(comparison.sweep, comparison)
    cells = dict(
        zip(shown.header, next(row for row in shown.rows if row[0] == "grid τ × objective.alpha"), strict=True)
    )
    assert (cells["chosen τ"], cells["chosen\nobjective.alpha"]) == ("4", "0.5")
    assert any("all other strategies have objective.alpha=0.9" in note for note in shown.notes)

    (response,) = analysis.responses(comparison)
    assert sorted(response.score.trainings["gain"]) == [72.0, 72.0, 74.0, 74.0]
    sentence = next(verdict.sentence for verdict in analysis.verdicts(comparison))
    assert "choosing τ and objective.alpha from 4 combinations (grid) took 3 more trainings per seed" in sentence


def test_grids_of_one_name_are_told_apart_by_what_they_searched(tmp_path: Path) -> None:
    searching = [Trial(tau=4, others={"training.lr": lr}) for lr in (0.1, 0.2)]
    write_sweep(tmp_path, [grid(0, *GRID), grid(0, *searching, searched={"training.lr": 0.1}), stochastic(0)])
    assert {"grid", "grid τ × training.lr"} < set(analysis.compare(analysis.load(tmp_path)).table["strategy"])


def test_a_transferred_tau_is_named_with_what_its_search_cost_and_is_not_charged(tmp_path: Path) -> None:
    costs = Costs(energy_kwh=0.002, co2eq_g=None, duration_s=9.0, cpu_s=50.0, flops=None, forward_flops=None)
    source = TauSource(
        campaign_id="a", sweep="earlier", dataset="cifar10", teacher="wide", student="thin", objective="kd",
        strategy="grid", seed=0, params={"tau": 8.0}, trainings=19, costs=costs, metered_by=("simulated",),
    )  # fmt: skip
    moved = [
        Plan(strategy="transfer", kind=StrategyKind.TRANSFER, seed=seed, trials=[Trial(tau=8.0)], tau_source=source)
        for seed in (0, 1)
    ]
    write_sweep(tmp_path, [*moved, fixed(0, 4.0), fixed(1, 4.0), stochastic(0), stochastic(1)])
    comparison = analysis.compare(analysis.load(tmp_path))

    row = comparison.table.set_index("strategy").loc["transfer"]
    assert (row["chosen_taus"], row["tuning_energy_kwh"]) == ((8.0, 8.0), pytest.approx(ONE_KWH))
    (notes,) = comparison.notes.values()
    (note,) = [note for note in notes if note.startswith("transfer: τ")]  # one search for both seeds
    assert "grid of cifar10, wide → thin, kd (sweep earlier); its 19 trainings took 2.00 Wh and 50.0 CPU s" in note
    assert "training by transfer took as many trainings" in " ".join(v.sentence for v in analysis.verdicts(comparison))
