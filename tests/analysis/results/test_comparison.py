"""The comparison table against sweeps whose truth is written down beforehand."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

import analysis
from analysis.results.paired_tests import ratio_interval
from analysis.views.table import to_terminal
from greenkd.records import (
    SCHEMA_VERSION,
    BlockRow,
    CampaignStatus,
    Costs,
    ProcessRow,
    StrategyKind,
    TrialStatus,
    append_row,
)
from tests.analysis.sweeps import Plan, Trial, write_campaign, write_sweep

# One training of 36 s and its 3.6 s of validation at 100 W.
ONE_KWH = 39.6 * 100 / 3.6e6


def grid(seed: int, *trials: Trial, **more: object) -> Plan:
    return Plan(strategy="grid", kind=StrategyKind.GRID, seed=seed, trials=trials, **more)  # type: ignore[arg-type]


def stochastic(seed: int, **more: object) -> Plan:
    trials = [Trial(tau=None, val_score=0.91, test_score=0.90)]
    return Plan(strategy="stochastic", kind=StrategyKind.STOCHASTIC, seed=seed, trials=trials, **more)  # type: ignore[arg-type]


def fixed(seed: int, tau: float, val: float = 0.9, test: float = 0.9, **more: object) -> Plan:
    trials = [Trial(tau=tau, val_score=val, test_score=test)]
    return Plan(strategy="fixed", kind=StrategyKind.FIXED, seed=seed, trials=trials, **more)  # type: ignore[arg-type]


def table(root: Path, **options: object) -> pd.DataFrame:
    return analysis.compare(analysis.load(root), **options).table.set_index("strategy")  # type: ignore[arg-type]


GRID = (Trial(tau=2, val_score=0.92, test_score=0.80), Trial(tau=4, val_score=0.90, test_score=0.95))


def test_the_choice_follows_validation_and_the_control_comes_from_the_grid(tmp_path: Path) -> None:
    write_sweep(tmp_path, [grid(0, *GRID), stochastic(0)])
    found = table(tmp_path)
    assert found.loc["grid", "test_score_mean"] == 0.80  # not the 0.95 that the test set would have liked better
    control = found.loc["fixed τ=4 (from grid, no extra cost)"]
    assert control["test_score_mean"] == 0.95
    assert control["tuning_energy_kwh"] == pytest.approx(ONE_KWH)
    assert found.loc["grid", "tuning_energy_kwh"] == pytest.approx(2 * ONE_KWH)
    assert found.loc["grid", "energy_kwh_x_baseline"] == pytest.approx(2)
    assert found.loc["grid", "energy_kwh_x_teacher"] == pytest.approx(2 * ONE_KWH / 0.010)


def test_the_control_from_the_grid_pays_the_start_up_of_a_campaign_of_its_own(tmp_path: Path) -> None:
    write_sweep(tmp_path, [grid(0, *GRID, overhead_s=360.0), stochastic(0, overhead_s=36.0)])
    found = table(tmp_path)
    control = found.loc["fixed τ=4 (from grid, no extra cost)"]
    # 36 s of overhead are 0.001 kWh, as above; the grid's own overhead, ten times that, is its search's.
    assert control["tuning_energy_kwh"] == pytest.approx(ONE_KWH + 0.001)
    assert control["tuning_energy_kwh"] == pytest.approx(found.loc["stochastic", "tuning_energy_kwh"])
    assert found.loc["grid", "tuning_energy_kwh"] == pytest.approx(2 * ONE_KWH + 0.01)


def test_killed_and_failed_attempts_overhead_and_logits_are_paid_for(tmp_path: Path) -> None:
    logits = Costs(energy_kwh=0.5, co2eq_g=28.0, duration_s=7.0, cpu_s=14.0, flops=1e9, forward_flops=1e9)
    trials = (
        Trial(trial=0, status=None),
        Trial(trial=0, attempt=1),
        Trial(trial=1, tau=5, status=TrialStatus.FAILED, val_score=None),
    )
    write_sweep(tmp_path, [grid(0, *trials, overhead_s=36.0, logits=logits, status=CampaignStatus.PARTIAL)])
    sweep = analysis.load(tmp_path)
    row = analysis.compare(sweep).table.set_index("strategy").loc["grid"]
    assert row["tuning_energy_kwh"] == pytest.approx(3 * ONE_KWH + 0.001 + 0.5)
    assert row["tuning_duration_s"] == pytest.approx(3 * 39.6 + 36 + 7)
    assert (row["attempts"], row["killed_attempts"], row["trials"]) == (3, 1, 1)
    assert row["final_energy_kwh"] == pytest.approx(2 * ONE_KWH)
    assert any("trial 0 attempt 0 never finished" in problem.what for problem in sweep.problems)
    assert row["tuning_flops"] == pytest.approx(3 * (36000 + 3600) * 3e6 + 1e9)  # overhead rows have none to count


def test_a_grid_written_the_hydra_way_is_a_grid(tmp_path: Path) -> None:
    write_sweep(tmp_path, [fixed(0, 2, 0.9, 0.7), fixed(0, 3, 0.93, 0.8), fixed(0, 6, 0.92, 0.9), stochastic(0)])
    found = table(tmp_path)
    assert list(found.index) == ["fixed τ=3", "grid (swept)", "stochastic"]
    swept = found.loc["grid (swept)"]
    assert (swept["test_score_mean"], swept["chosen_taus"]) == (0.8, (3.0,))
    assert swept["tuning_energy_kwh"] == pytest.approx(3 * ONE_KWH)
    assert swept["trials"] == 3


def test_fixed_campaigns_come_before_the_grid_as_control(tmp_path: Path) -> None:
    write_sweep(tmp_path, [fixed(0, 4, 0.9, 0.77), grid(0, *GRID)])
    assert table(tmp_path).loc["fixed τ=4", "test_score_mean"] == 0.77


def test_ties_go_to_the_lower_loss_then_the_lower_number(tmp_path: Path) -> None:
    trials = [
        Trial(tau=tau, val_score=0.9, val_loss=loss, test_score=test)
        for tau, loss, test in [(2, 0.4, 0.1), (3, 0.3, 0.2), (4, 0.3, 0.3)]
    ]
    running = grid(0, *trials, status=CampaignStatus.RUNNING, planned=5)
    write_sweep(tmp_path, [running])
    runs = analysis.strategy_runs(analysis.load(tmp_path)).set_index("strategy")
    assert runs.loc["grid", "chosen_tau"] == 3
    assert not runs.loc["grid", "complete"]


def test_means_sds_and_paired_multiples_over_seeds(tmp_path: Path) -> None:
    plans = [grid(seed, *(Trial(tau=4, test_score=0.90 + 0.02 * seed) for _ in range(seed + 1))) for seed in (0, 1, 2)]
    write_sweep(tmp_path, [*plans, stochastic(0), stochastic(1)])
    found = table(tmp_path)
    assert found.loc["grid", "test_score_mean"] == pytest.approx(0.92)
    assert found.loc["grid", "test_score_sd"] == pytest.approx(0.02)
    assert found.loc["grid", "tuning_energy_kwh"] == pytest.approx(2 * ONE_KWH)
    assert found.loc["grid", "energy_kwh_x_baseline"] == pytest.approx(1.5)  # of seeds 0 and 1, which both have


def test_different_meters_are_not_set_in_one_ratio(tmp_path: Path) -> None:
    write_sweep(tmp_path, [grid(0, *GRID, meter="other 2"), stochastic(0)])
    found = table(tmp_path)
    assert found.isna().loc["grid", "energy_kwh_x_baseline"]
    assert found.loc["grid", "duration_s_x_baseline"] == pytest.approx(2)
    assert table(tmp_path, mix_meters=True).loc["grid", "energy_kwh_x_baseline"] == pytest.approx(2)


def test_energy_that_was_not_measured_is_missing_not_zero(tmp_path: Path) -> None:
    write_sweep(tmp_path, [grid(0, *GRID, watts=None), stochastic(0, watts=None)])
    sweep = analysis.load(tmp_path)
    found = analysis.compare(sweep)
    assert found.table["tuning_energy_kwh"].isna().all()
    assert "multiples of CPU seconds" in " ".join(analysis.comparison_tables(sweep, found)[0].notes)


def test_variants_of_one_strategy_are_told_apart_by_what_differs(tmp_path: Path) -> None:
    write_sweep(
        tmp_path,
        [
            stochastic(0, temperature={"name": "stochastic", "low": 2, "high": 20}),
            stochastic(0, temperature={"name": "stochastic", "low": 2, "high": 8}),
        ],
    )
    assert set(table(tmp_path).index) == {"stochastic (high=8)", "stochastic (high=20)"}


def test_torn_lines_other_schemas_and_doubles_are_named_not_fatal(tmp_path: Path) -> None:
    folder = write_campaign(tmp_path, grid(0, *GRID))
    with (folder / "trials.jsonl").open("a") as file:
        file.write('{"trial": 9, "att')
    other = write_campaign(tmp_path, stochastic(0))
    text = (other / "campaign.json").read_text().replace(f'"schema_version": {SCHEMA_VERSION}', '"schema_version": 99')
    (other / "campaign.json").write_text(text)
    copy = tmp_path / "zz-copy"
    copy.mkdir()
    (copy / "campaign.json").write_bytes((folder / "campaign.json").read_bytes())
    (tmp_path / "lost").mkdir()
    (tmp_path / "lost" / "ledger.jsonl").write_text("")
    sweep = analysis.load(tmp_path)
    said = " / ".join(problem.what for problem in sweep.problems)
    assert "1 torn line" in said
    assert "schema version 99" in said
    assert "the same campaign as" in said
    assert "costs without a campaign.json" in said
    assert len(sweep.campaigns) == 1
    assert len(sweep.trials) == 2


def test_the_table_fits_and_files_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sweep(tmp_path, search=5)
    analysis.print_comparison(tmp_path)
    out = capsys.readouterr().out
    assert max(len(line) for line in out.split("\n\n")[0].splitlines()) <= 120
    assert "stochastic" in out
    for name in ("comparison.csv", "comparison.md", "comparison.tex"):
        assert (tmp_path / name).stat().st_size > 200
    sweep = analysis.load(tmp_path)
    narrow = Console(width=80, record=True, file=(tmp_path / "out").open("w"))
    for part in analysis.comparison_tables(sweep, analysis.compare(sweep)):
        to_terminal(part, narrow)
    assert "left out in this narrow terminal" in narrow.export_text().replace("\n", " ")


def test_a_folder_without_campaigns_is_answered_not_traced(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "analysis", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "no campaign" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_sweep_that_has_only_begun_is_a_table_with_what_is_missing(tmp_path: Path) -> None:
    write_sweep(tmp_path, [grid(0, status=CampaignStatus.RUNNING, planned=19), stochastic(0)])
    done = subprocess.run(
        [sys.executable, "-m", "analysis", str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "0 of 19 trials complete" in " ".join(done.stdout.split())


def test_no_torch_is_imported() -> None:
    code = "import sys, analysis, analysis.cli; analysis.load; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_without_sensors_cpu_seconds_and_flops_are_the_endpoint(tmp_path: Path) -> None:
    trials = [Trial(tau=tau, val_score=0.9, test_score=0.9) for tau in (2.0, 4.0, 8.0)]
    plans = [plan for seed in range(5) for plan in (grid(seed, *trials), stochastic(seed))]
    write_sweep(tmp_path, plans)
    comparison = analysis.compare(analysis.load(tmp_path))
    notes = next(iter(comparison.notes.values()))
    assert any("CPU seconds and FLOPs are the primary endpoint" in note for note in notes)
    (said,) = [note for note in notes if note.startswith("grid over stochastic, 5 paired seeds")]
    table = comparison.table.set_index("strategy")
    assert f"{table.loc['grid', 'cpu_s_x_baseline']:.3g}× the CPU seconds (95 % bootstrap interval" in said
    assert f"{table.loc['grid', 'flops_x_baseline']:.3g}× the FLOPs" in said


def test_ratio_intervals_resample_pairs() -> None:
    assert ratio_interval([(2.0 * value, value) for value in (1.0, 2.0, 3.0, 5.0, 8.0)]) == (2.0, 2.0)
    low, high = ratio_interval([(4.0, 2.0), (5.0, 2.0), (6.0, 2.0), (7.0, 2.0), (8.0, 2.0)])
    assert 2.0 <= low < 3.0 < high <= 4.0
    assert np.isnan(ratio_interval([(4.0, 2.0)] * 4)).all()


def test_what_no_ledger_holds_and_drift_are_named(tmp_path: Path) -> None:
    write_sweep(tmp_path, [stochastic(0)])
    process = ProcessRow(
        pid=1, command="", started_at="", duration_s=100.0, cpu_s=50.0, metered_s=90.0, metered_cpu_s=45.0
    )
    block = BlockRow(
        block=2, strategies=(), started_at="", idle_w=None, calibration_cpu_s=1.2, calibration_kwh=None, drift=0.2,
        drifted=True,
    )  # fmt: skip
    append_row(tmp_path / "processes.jsonl", process)
    append_row(tmp_path / "blocks.jsonl", block)
    said = " ".join(problem.what for problem in analysis.load(tmp_path).problems)
    assert "10 % of 100 s is unattributed" in said
    assert "drifted before block 3 (+20 %)" in said
