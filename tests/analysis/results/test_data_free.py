"""Campaigns without real images: what the synthesis adds to costs, what both choices choose, how tables say so."""

import dataclasses
from pathlib import Path

import pytest
from PIL import Image

import analysis
from analysis.frames.load import Sweep
from analysis.results.data_free import choices
from analysis.views.data_free import choice_tables, sheets
from greenkd import records
from greenkd.records import PoolRecord, Selected, read_campaign, write_campaign
from tests.analysis.plans import Plan, Trial, fixed, grid, stochastic
from tests.analysis.sweeps import write_campaign as write_plan

POOL = PoolRecord(
    key="900d", transfer="fast", images=100, held_out=20, rounds=2, work_images=500, class_counts=(50, 50), made_by="x"
)
SYNTHESIS = records.Costs(energy_kwh=0.004, co2eq_g=0.2, duration_s=144.0, cpu_s=288.0, flops=2e12, forward_flops=1e12)
# By τ: what the validation split and the held-out images say. They choose different trials in seed 0, the same in 1.
SCORES = {
    0: {2.0: ((0.90, 0.3), (0.80, 0.5)), 4.0: ((0.90, 0.4), (0.85, 0.4)), 8.0: ((0.88, 0.1), (0.85, 0.3))},
    1: {2.0: ((0.70, 0.3), (0.80, 0.5)), 4.0: ((0.95, 0.4), (0.95, 0.4)), 8.0: ((0.90, 0.1), (0.85, 0.3))},
}


def write(root: Path, plan: Plan, selection: str = "validation") -> None:
    file = write_plan(root, plan) / "campaign.json"
    record, taus = read_campaign(file), [trial.tau for trial in plan.trials]
    tests = []
    for test, tau in zip(record.tests, taus, strict=True):
        both = SCORES[plan.seed].get(tau or 0.0)
        pairs = zip(("validation", "agreement"), both, strict=True) if both else ()
        selections = {name: Selected(score=score, loss=loss) for name, (score, loss) in pairs}
        tests.append(dataclasses.replace(test, selections=selections or None))
    changes = {"transfer": "fast", "selection": selection, "pool": POOL, "synthesis_costs": SYNTHESIS}
    changes |= {"synthesis_metered_by": ("simulated (simulated, process)",), "tests": tuple(tests)}
    write_campaign(file, dataclasses.replace(record, **changes))


def sweep_of(root: Path, selection: str = "validation") -> Sweep:
    for seed in (0, 1):
        trials = [Trial(tau=tau, val_score=SCORES[seed][tau][0][0], test_score=tau / 10) for tau in (2.0, 4.0, 8.0)]
        write(root, grid(seed, *trials), selection)
        write(root, stochastic(seed), selection)
    return analysis.load(root)


@pytest.fixture(scope="module")
def sweep(tmp_path_factory: pytest.TempPathFactory) -> Sweep:
    return sweep_of(tmp_path_factory.mktemp("sweep"))


def test_the_synthesis_is_in_every_strategys_costs_once(sweep: Sweep) -> None:
    table = analysis.compare(sweep).table.set_index("strategy")
    training_s = 1.1 * 36
    rows = {"grid": 3, "stochastic": 1, "fixed τ=4 (from grid, no extra cost)": 1}
    for strategy, trainings in rows.items():
        row = table.loc[strategy]
        assert row["synthesis_duration_s"] == 144
        assert row["tuning_duration_s"] == pytest.approx(trainings * training_s + 144)
        assert row["duration_s_without_synthesis"] == pytest.approx(trainings * training_s)
        assert row["tuning_energy_kwh"] == pytest.approx(trainings * training_s * 100 / 3.6e6 + 0.004)
    assert table.loc["grid", "duration_s_x_baseline"] == pytest.approx((3 * training_s + 144) / (training_s + 144))
    assert table.loc["grid", "duration_s_x_baseline_without_synthesis"] == pytest.approx(3)


def test_a_grid_of_fixed_campaigns_pays_it_once(tmp_path: Path) -> None:
    for tau in (2.0, 4.0):
        write(tmp_path, fixed(0, tau))
    runs = analysis.strategy_runs(analysis.load(tmp_path)).set_index("strategy")
    assert runs.loc["grid (swept)", "tuning_duration_s"] == pytest.approx(2 * 1.1 * 36 + 144)
    assert runs.loc["fixed τ=4", "tuning_duration_s"] == pytest.approx(1.1 * 36 + 144)


def test_every_table_says_how_tau_is_chosen(sweep: Sweep, tmp_path: Path) -> None:
    (table,) = analysis.comparison_tables(sweep, analysis.compare(sweep))
    assert table.title.startswith("digits, transfer=fast, selection=validation (not data-free) · wide → narrow")
    assert "images\nWh" in table.header
    assert "×stochastic\nwithout" in table.header

    agreed = sweep_of(tmp_path, "agreement")
    (table,) = analysis.comparison_tables(agreed, analysis.compare(agreed))
    assert table.title.startswith("digits, transfer=fast, selection=agreement · ")


def test_how_often_both_choose_the_same(sweep: Sweep) -> None:
    (row,) = choices(sweep).to_dict("records")
    assert (row["strategy"], row["searches"], row["same"]) == ("grid", 2, 1)
    # Seed 0: validation ties between 2 and 4, and takes the lower loss; agreement ties between 4 and 8, likewise.
    assert row["test_by_validation"] == pytest.approx((0.2 + 0.4) / 2)
    assert row["test_by_agreement"] == pytest.approx((0.8 + 0.4) / 2)
    (shown,) = choice_tables(sweep)
    assert shown.rows == (("grid", "2", "1 of 2", "30.00", "60.00"),)


def test_real_images_have_neither_column_nor_table(tmp_path: Path) -> None:
    write_plan(tmp_path, grid(0, Trial(tau=2.0), Trial(tau=4.0)))
    real = analysis.load(tmp_path)
    (table,) = analysis.comparison_tables(real, analysis.compare(real))
    assert not any("images" in name for name in table.header)
    assert table.title.startswith("digits · ")
    assert choice_tables(real) == []
    assert sheets(real) == []


def test_the_report_shows_the_images(tmp_path: Path) -> None:
    root = tmp_path / "sweep"
    sweep_of(root)
    (root / "pools").mkdir()
    Image.new("L", (4, 4)).save(root / "pools" / f"{POOL.key}.png")
    sweep = analysis.load(root)
    text = analysis.write_report(sweep, analysis.compare(sweep), root).read_text(encoding="utf-8")
    assert text.count('src="data:image/png;base64,') == 1
    assert "digits, transfer=fast: images out of wide" in text
    assert "Choosing τ with and without data" in text
