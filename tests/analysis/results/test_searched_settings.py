"""Searches over more than τ in tables and verdicts, against sweeps whose truth is written down beforehand."""

from pathlib import Path

import pytest

import analysis
from tests.analysis.plans import GRID, Trial, grid, stochastic
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
