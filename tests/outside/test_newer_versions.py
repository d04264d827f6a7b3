"""A sweep that a greenkd to come has written: what is understood counts in every table, and the rest is named."""

from pathlib import Path

import pytest

import analysis
from analysis.cli import main
from greenkd.errors import RecordError
from greenkd.records import BlockRow, ProcessRow, append_row, read_campaign
from tests.analysis.sweeps import write_sweep
from tests.records.edits import edit_document, edit_lines

NEWER = {"schema_version": 99, "carried_by": {"pigeons": 3}}


@pytest.fixture
def sweep(tmp_path: Path) -> Path:
    write_sweep(tmp_path, seeds=(0, 1), epochs=3)
    process = ProcessRow(pid=1, command="", started_at="", duration_s=9.0, cpu_s=9.0, metered_s=9.0, metered_cpu_s=9.0)
    block = BlockRow(
        block=0, strategies=("grid",), started_at="", idle_w=None, calibration_cpu_s=None, calibration_kwh=None,
        drift=None, drifted=False,
    )  # fmt: skip
    append_row(tmp_path / "processes.jsonl", process)
    append_row(tmp_path / "blocks.jsonl", block)
    return tmp_path


def test_fields_of_a_newer_version_are_ignored_in_every_table_alike(sweep: Path) -> None:
    before = analysis.load(sweep)
    frames = {name: getattr(before, name) for name in ("campaigns", "trials", "epochs", "steps", "ledger")}
    for path in sweep.rglob("*.jsonl"):
        edit_lines(path, **NEWER)
    for path in sweep.rglob("campaign.json"):
        edit_document(path, **NEWER)

    after = analysis.load(sweep)
    for name, frame in frames.items():
        assert getattr(after, name).equals(frame), name
    said = {problem.what for problem in after.problems}
    assert len(said) == 1
    assert said.pop().startswith("written by a newer greenkd (schema version 99)")
    assert len(after.problems) == len(after.folders) + 1  # once in each folder, the sweep's own included
    assert main([str(sweep), "--report", "--format", "none"]) == 0


def test_words_that_this_version_does_not_know_are_named_and_count_in_no_total(
    sweep: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    campaign, *_ = sorted(path.parent for path in sweep.rglob("campaign.json"))
    edit_document(campaign / "campaign.json", **NEWER, kind="clairvoyant", status="resting")
    edit_lines(campaign / "trials.jsonl", **NEWER, status="dreaming")
    edit_lines(campaign / "ledger.jsonl", **NEWER, phase="dreaming", cpu_source="guessed")
    assert main([str(sweep), "--report"]) == 0
    out = capsys.readouterr().out
    for word in ("'clairvoyant'", "'resting'", "status 'dreaming'", "phase 'dreaming'", "cpu_source 'guessed'"):
        assert f"{word} is not known to this greenkd" in out
    row = analysis.load(sweep).campaigns.iloc[0]
    assert (row["kind"], row["status"], row["complete_trials"]) == ("custom", "partial", 0)


def test_finished_campaigns_without_any_trial_that_is_understood_stop_no_table(sweep: Path) -> None:
    for path in sweep.rglob("trials.jsonl"):
        edit_lines(path, status="dreaming")
    assert main([str(sweep), "--report", "--format", "none"]) == 0


def test_a_value_of_another_type_leaves_the_file_out_and_is_named(sweep: Path) -> None:
    first, *_ = sorted(path.parent for path in sweep.rglob("campaign.json"))
    edit_lines(first / "trials.jsonl", **NEWER, val_score={"mean": 0.7})
    (problem,) = [problem for problem in analysis.load(sweep).problems if problem.where.endswith("trials.jsonl")]
    assert "val_score: {'mean': 0.7} is none of NoneType, float, int" in problem.what


def test_a_newer_campaign_is_not_resumed(sweep: Path) -> None:
    path = next(sweep.rglob("campaign.json"))
    edit_document(path, **NEWER)
    with pytest.raises(RecordError, match="schema version 99"):
        read_campaign(path)
