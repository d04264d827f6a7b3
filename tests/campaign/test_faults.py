"""What a campaign survives: failing trials, damaged files, full disks, others at work in the same folder."""

import logging
import sqlite3
from pathlib import Path

import optuna
import pytest

from greenkd import records
from greenkd.campaign.progress import read_state
from greenkd.errors import StorageError, TeacherFailedError, TrainingInterruptedError
from greenkd.records import CampaignStatus, LedgerRow, Phase, TrialStatus, read_campaign, read_rows
from greenkd.training.safetensors_io import load_tensors
from tests.campaign.stopping import GRID, assert_same, folder_of, stopped
from tests.campaigns import Campaign, StopAfter


# Of the 54 steps of the grid, and of the bank's batches before them: teacher, bank, first and third trial.
@pytest.mark.parametrize("after", [5, 20, 66])
def test_a_stop_at_any_step_is_resumed_to_the_same_bits(reference: Campaign, tmp_path: Path, after: int) -> None:
    stopped(tmp_path, after)
    assert_same(Campaign(tmp_path, *GRID), reference)


def test_a_failed_trial_is_retried_and_both_energies_stay(tmp_path: Path) -> None:
    switch = tmp_path / "broken"
    overrides = (*GRID, "objective._target_=tests.fragile.Fragile", f"+objective.switch={switch}")
    overrides = (*overrides, *(f"~objective.{key}" for key in ("alpha", "reduction", "tau_squared", "taus")))
    switch.write_text("bug")
    failed = Campaign(tmp_path, *overrides)
    assert failed.record.status is CampaignStatus.PARTIAL
    ends = {row.trial: (row.status, row.cause) for row in failed.trials}
    complete = (TrialStatus.COMPLETE, None)
    assert ends == {0: complete, 1: (TrialStatus.FAILED, "RuntimeError: a bug of the user's"), 2: complete}
    assert "1 of 3 trials failed" in (failed.record.message or "")
    assert read_state(failed.settings, failed.folder).state == (
        "2 of 3 trials done, 1 failed (retry=failed runs them again)"
    )
    before = (failed.folder / "ledger.jsonl").read_bytes()
    assert Campaign(tmp_path, *overrides).record == failed.record, "the plain command runs nothing"
    assert (failed.folder / "ledger.jsonl").read_bytes() == before
    for how, status in (("memory", TrialStatus.FAILED), ("nan", TrialStatus.FAILED), (None, TrialStatus.COMPLETE)):
        if how:
            switch.write_text(how)
        else:
            switch.unlink()
        retried = Campaign(tmp_path, *overrides, "retry=failed")
        assert retried.folder == failed.folder
        assert retried.trials[-1].status is status
    assert retried.record.status is CampaignStatus.DONE
    attempts = [(row.trial, row.attempt) for row in retried.trials]
    assert sorted(attempts[:3]) == [(0, 0), (1, 0), (2, 0)]
    assert attempts[3:] == [(1, 1), (1, 2), (1, 3)]
    assert {test.trial for test in retried.record.tests} == {0, 1, 2}
    ledger = read_rows(retried.folder / "ledger.jsonl", LedgerRow).rows
    spent = [row for row in ledger if row.trial == 1 and row.phase is Phase.STUDENT_TRAINING]
    assert {row.attempt for row in spent} == {0, 1, 2, 3}
    assert all(row.energy_kwh is not None for row in spent)
    # The complete trials were tested once, before the retry.
    tested = [row for row in ledger if row.phase is Phase.TEST]
    assert sorted({(row.trial, row.attempt) for row in tested}) == [(0, 0), (1, 3), (2, 0)]
    assert sum(row.images for row in tested) == 3 * 359


def test_a_teacher_that_diverges_is_named_and_costs_no_trial(tmp_path: Path) -> None:
    with pytest.raises(TeacherFailedError, match=r"teacher=small_cnn: its training failed .*the loss became"):
        Campaign(tmp_path, *GRID, "training.teacher.lr=1e30")
    assert not list(tmp_path.rglob("trials.jsonl"))
    assert list(tmp_path.rglob("teachers/*/ledger.jsonl"))


def damage(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(content)


def test_a_damaged_teacher_is_trained_again_to_the_same_bits(
    reference: Campaign, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopped(tmp_path, 30)
    (weights,) = tmp_path.rglob("teachers/*/weights.safetensors")
    content = weights.read_bytes()
    damage(weights)
    with caplog.at_level(logging.WARNING):
        assert_same(Campaign(tmp_path, *GRID), reference)
    assert "teacher is damaged and will be trained again" in caplog.text
    assert load_tensors(weights)[0].keys()
    assert weights.read_bytes() == content
    ledger = read_rows(weights.parent / "ledger.jsonl", LedgerRow).rows
    assert {row.attempt for row in ledger} == {0, 1}


def test_damaged_logits_are_computed_again(
    reference: Campaign, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopped(tmp_path, 40)
    stored = sorted(tmp_path.rglob("logits/*/epoch_*.safetensors"))
    assert stored
    for path in stored:
        damage(path)
    with caplog.at_level(logging.WARNING):
        assert_same(Campaign(tmp_path, *GRID), reference)
    assert "computing these logits again" in caplog.text


def test_damaged_checkpoints_start_the_trial_afresh(
    reference: Campaign, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopped(tmp_path, 66)
    found = list(tmp_path.rglob("trials/*/checkpoint.safetensors*"))
    assert len(found) == 2
    for path in found:
        damage(path)
    with caplog.at_level(logging.WARNING):
        assert_same(Campaign(tmp_path, *GRID), reference)
    assert caplog.text.count("set aside as checkpoint.safetensors") == 2


@pytest.mark.parametrize("content", [b"", None])
def test_a_damaged_study_is_built_anew_from_the_records(
    reference: Campaign, tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    stopped(tmp_path, 70)
    database = folder_of(tmp_path) / "study.db"
    finished = {row.trial for row in read_rows(database.with_name("trials.jsonl"), records.TrialRow).rows[:-1]}
    assert finished
    if content is None:
        damage(database)
    else:
        database.write_bytes(content)
    with caplog.at_level(logging.WARNING):
        campaign = Campaign(tmp_path, *GRID)
    assert_same(campaign, reference)
    complete = [row.trial for row in campaign.trials if row.status is TrialStatus.COMPLETE]
    assert sorted(complete) == [0, 1, 2], "none twice"
    if content != b"":
        assert "study.db.damaged" in caplog.text
        assert database.with_name("study.db.damaged").exists()


def test_a_study_that_is_built_anew_has_the_epochs_that_a_pruner_judges_by(tmp_path: Path) -> None:
    search = (
        "temperature=hyperband",
        "temperature.n_trials=4",
        "training.epochs=4",
        "training.checkpoint_every_s=0.001",
    )
    whole = Campaign(tmp_path / "whole", *search)
    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path / "lost", *search, stop=StopAfter(110))
    (folder_of(tmp_path / "lost") / "study.db").unlink()

    lost = Campaign(tmp_path / "lost", *search)
    assert {row.attempt for row in lost.epochs if row.trial == 1} == {0, 1}, "it was stopped amid a trial"
    assert_same(lost, whole)
    assert _reported(lost) == _reported(whole)


def _reported(campaign: Campaign) -> list[dict[int, float]]:
    """Returns the scores that the study has of each trial, by epoch."""
    storage = f"sqlite:///{campaign.folder / 'study.db'}"
    (name,) = optuna.get_all_study_names(storage)
    return [trial.intermediate_values for trial in optuna.load_study(study_name=name, storage=storage).trials]


def test_a_locked_study_is_waited_for_and_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("greenkd.temperature.storage.LOCK_TIMEOUT_S", 0.2)
    stopped(tmp_path, 70)
    with sqlite3.connect(folder_of(tmp_path) / "study.db") as other:
        other.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StorageError, match=r"study\.db.*locked"):
            Campaign(tmp_path, *GRID)
    assert Campaign(tmp_path, *GRID).record.status is CampaignStatus.DONE


def test_a_damaged_campaign_record_is_made_anew(
    reference: Campaign, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopped(tmp_path, 70)
    (folder_of(tmp_path) / "campaign.json").write_text('{"campaign_id": "')
    with caplog.at_level(logging.WARNING):
        assert_same(Campaign(tmp_path, *GRID), reference)
    assert "campaign.json.damaged" in caplog.text


def test_a_finished_campaign_whose_record_is_damaged_trains_nothing(reference: Campaign, tmp_path: Path) -> None:
    done = Campaign(tmp_path, *GRID)
    (done.folder / "campaign.json").write_text("{")
    again = Campaign(tmp_path, *GRID)
    assert len(again.trials) == 3
    assert again.record.chosen_trial == reference.record.chosen_trial
    assert again.record.test_score == reference.record.test_score


@pytest.mark.parametrize("lost", ["removed", "damaged"])
def test_lost_weights_of_the_chosen_trial_are_trained_again(
    reference: Campaign, tmp_path: Path, lost: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("greenkd.campaign.evaluation.choose_trial", killed)
        with pytest.raises(KeyboardInterrupt):
            Campaign(tmp_path, *GRID)
    chosen = reference.record.chosen_trial
    (weights,) = tmp_path.rglob(f"trials/{chosen}/weights.safetensors")
    weights.unlink() if lost == "removed" else damage(weights)
    with caplog.at_level(logging.WARNING):
        campaign = Campaign(tmp_path, *GRID)
    assert_same(campaign, reference)
    assert f"the weights of the chosen trial {chosen} are lost; training it again" in caplog.text
    attempts = [(row.trial, row.attempt) for row in campaign.trials]
    assert sorted(attempts[:3]) == [(0, 0), (1, 0), (2, 0)]
    assert attempts[3:] == [(chosen, 1)]


def test_a_choice_on_record_stays_and_nothing_is_tested_twice(
    reference: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("greenkd.campaign.evaluation.measure_inference", killed)
        with pytest.raises(KeyboardInterrupt):
            Campaign(tmp_path, *GRID)
    record = read_campaign(folder_of(tmp_path) / "campaign.json")
    assert record.status is CampaignStatus.RUNNING
    assert record.chosen_trial == reference.record.chosen_trial
    campaign = Campaign(tmp_path, *GRID)
    assert_same(campaign, reference)
    ledger = read_rows(campaign.folder / "ledger.jsonl", LedgerRow).rows
    assert sum(row.images for row in ledger if row.phase is Phase.TEST) == 3 * 359


def test_a_row_told_but_not_recorded_is_trained_again(reference: Campaign, tmp_path: Path) -> None:
    stopped(tmp_path, 70)
    trials = folder_of(tmp_path) / "trials.jsonl"
    lines = trials.read_bytes().splitlines(keepends=True)
    trials.write_bytes(b"".join(lines[1:]))  # trial 0 is lost
    assert_same(Campaign(tmp_path, *GRID), reference)


def test_torn_lines_are_reported_and_cost_nothing_else(
    reference: Campaign, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    stopped(tmp_path, 70)
    folder = folder_of(tmp_path)
    whole = {name: len((folder / name).read_bytes().splitlines()) for name in ("ledger.jsonl", "epochs.jsonl")}
    for name in whole:
        (folder / name).write_bytes((folder / name).read_bytes()[:-9])
    with caplog.at_level(logging.WARNING):
        campaign = Campaign(tmp_path, *GRID)
    assert caplog.text.count("a line was cut off and is left out") == 2
    read = read_rows(folder / "ledger.jsonl", LedgerRow)
    assert len(read.torn) == 1
    assert len(read.rows) > whole["ledger.jsonl"]
    assert campaign.record.test_score == reference.record.test_score
