"""Frames have the documented columns; damaged, older and doubled records are read or named."""

import json
from pathlib import Path

import analysis
from analysis.frames import columns
from greenkd.records import BlockRow, ProcessRow, append_row
from tests.analysis.plans import GRID, grid, stochastic
from tests.analysis.sweeps import write_campaign, write_sweep
from tests.records.edits import edit_document


def test_frames_have_the_documented_columns(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0,), epochs=2)
    sweep = analysis.load(tmp_path)
    assert list(sweep.campaigns) == list(columns.CAMPAIGNS)
    assert list(sweep.trials) == list(columns.TRIALS)
    assert list(sweep.epochs) == list(columns.EPOCHS)
    assert list(sweep.steps) == list(columns.STEPS)
    assert list(sweep.ledger) == list(columns.LEDGER)
    assert list(analysis.strategy_runs(sweep)) == list(columns.RUNS)
    assert len(sweep.epochs) == 20 * 2
    assert len(sweep.steps) == 2 * 20
    assert sweep.steps["tau"].between(2, 20).all()
    documented = (Path(__file__).parents[3] / "docs" / "analysis.md").read_text(encoding="utf-8")
    for frame in (columns.CAMPAIGNS, columns.TRIALS, columns.EPOCHS, columns.STEPS, columns.LEDGER, columns.RUNS):
        assert all(
            f"`{name}`" in documented
            for name in frame
            if not name.startswith(("teacher_", "tuning_", "logits_", "synthesis_", "final_", "startup_"))
        )


def test_rows_of_an_older_or_newer_greenkd_are_read(tmp_path: Path) -> None:
    folder = write_sweep(tmp_path, seeds=(0,))
    for path in folder.rglob("ledger.jsonl"):
        rows = [json.loads(line) for line in path.read_text().splitlines()]
        optional = {"status", "warnings"}
        kept = [{key: value for key, value in row.items() if key not in optional} | {"future": 1} for row in rows]
        path.write_text("".join(json.dumps(row) + "\n" for row in kept))
    sweep = analysis.load(folder)
    assert not sweep.problems
    assert set(sweep.ledger["status"]) == {"ok"}


def test_torn_lines_other_schemas_and_doubles_are_named_not_fatal(tmp_path: Path) -> None:
    folder = write_campaign(tmp_path, grid(0, *GRID))
    with (folder / "trials.jsonl").open("a") as file:
        file.write('{"trial": 9, "att')
    other = write_campaign(tmp_path, stochastic(0))
    edit_document(other / "campaign.json", schema_version=0)
    copy = tmp_path / "zz-copy"
    copy.mkdir()
    (copy / "campaign.json").write_bytes((folder / "campaign.json").read_bytes())
    (tmp_path / "lost").mkdir()
    (tmp_path / "lost" / "ledger.jsonl").write_text("")
    sweep = analysis.load(tmp_path)
    said = " / ".join(problem.what for problem in sweep.problems)
    assert "1 torn line" in said
    assert "schema version 0" in said
    assert "the same campaign as" in said
    assert "costs without a campaign.json" in said
    assert len(sweep.campaigns) == 1
    assert len(sweep.trials) == 2


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
