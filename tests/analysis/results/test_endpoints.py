"""What a test says besides the score, and what all seeds share."""

import dataclasses
from pathlib import Path

import pytest

import analysis
from greenkd import records
from tests.analysis.plans import Trial, grid, stochastic
from tests.analysis.sweeps import write_campaign, write_sweep


def test_the_test_says_more_than_the_score(tmp_path: Path) -> None:
    # Two seeds of a grid that chooses its second trial, and of stochastic τ without a calibration error on record.
    plans = []
    for seed, (loss, error) in enumerate([(0.2, 0.03), (0.3, 0.05)]):
        chosen = Trial(tau=4, val_score=0.95, test_loss=loss, calibration_error=error)
        plans += [grid(seed, Trial(tau=2, test_loss=9.0, calibration_error=0.9), chosen), stochastic(seed)]
    write_sweep(tmp_path, plans)
    sweep = analysis.load(tmp_path)
    comparison = analysis.compare(sweep)

    found = comparison.table.set_index("strategy").loc["grid"]
    assert (found["test_loss_mean"], found["test_calibration_error_mean"]) == pytest.approx((0.25, 0.04))
    assert found["test_calibration_error_sd"] == pytest.approx(0.0141421, abs=1e-6)
    trials = sweep.trials
    assert trials.loc[trials["tau"] == 2, "test_calibration_error"].to_list() == [0.9, 0.9]

    (table,) = analysis.comparison_tables(sweep, comparison)
    rows = {row[0]: dict(zip(table.header, row, strict=True)) for row in table.rows}
    assert rows["grid"]["test CE nats"] == "0.250 ± 0.071"
    assert rows["grid"]["ECE %"] == "4.00 ± 1.41"
    assert rows["stochastic"]["ECE %"] == "–"
    assert any(note.startswith("ECE: expected calibration error") and "15 bins" in note for note in table.notes)


def test_what_all_seeds_share_is_said_below_the_table(tmp_path: Path) -> None:
    folders = [write_campaign(tmp_path, stochastic(seed)) for seed in (0, 1)]
    shared = "all seeds share test images, split and teacher"
    assert any(shared in note for note in analysis.compare(analysis.load(tmp_path)).notes["5e771d"])

    for folder in folders:
        record = records.read_campaign(folder / "campaign.json")
        records.write_campaign(folder / "campaign.json", dataclasses.replace(record, held_fixed=("teacher",)))
    (note,) = [n for n in analysis.compare(analysis.load(tmp_path)).notes["5e771d"] if "share" in n]
    assert "all seeds share test images and teacher" in note
    assert "training.teacher.seed=per_seed" in note
    assert "split_seed" not in note
