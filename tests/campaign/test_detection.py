"""Campaigns of detection: whichever way trials are run and the teacher is asked, the results are the same bits."""

from pathlib import Path

import pytest
import torch

from greenkd.errors import ConfigError, TrainingInterruptedError
from greenkd.records import CampaignStatus, LedgerRow, Phase, TrialStatus, read_rows
from greenkd.training.safetensors_io import load_tensors
from tests.campaigns import Campaign, StopAfter, composed, settings

SCENES = ("dataset=digit_scenes", "dataset.train_scenes=40", "dataset.test_scenes=20", "training.batch_size=8")
GRID = ("temperature=grid", "temperature.taus=[1,3,8]")
ALONE = ("training.parallel_trials=1",)
TESTED = 20


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("alone"), *SCENES, *GRID, *ALONE)


def results(campaign: Campaign) -> dict[tuple[int | None, int], tuple[float, float | None, float | None]]:
    return {(row.trial, row.epoch): (row.train_loss, row.val_loss, row.val_score) for row in campaign.epochs}


def ledger(campaign: Campaign, phase: Phase) -> list[LedgerRow]:
    return [row for row in read_rows(campaign.folder / "ledger.jsonl", LedgerRow).rows if row.phase is phase]


def assert_same(one: Campaign, other: Campaign) -> None:
    assert results(one) == results(other)
    assert one.record.tests == other.record.tests
    ours, theirs = (load_tensors(campaign.folder / "student.safetensors")[0] for campaign in (one, other))
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


@pytest.mark.parametrize(
    "way",
    [
        ("training.bank=true", "training.parallel_trials=1"),
        ("training.parallel_mode=processes", "training.parallel_trials=2"),
    ],
    ids=" ".join,
)
def test_bank_and_workers_change_no_bit(way: tuple[str, ...], alone: Campaign, tmp_path: Path) -> None:
    assert_same(Campaign(tmp_path, *SCENES, *GRID, *way), alone)


def test_trials_go_in_lockstep_by_themselves_and_the_teacher_is_asked_once(alone: Campaign, tmp_path: Path) -> None:
    together = Campaign(tmp_path, *SCENES, *GRID)
    assert_same(together, alone)

    assert together.settings.training.parallel_mode == "lockstep"
    assert together.settings.training.bank is False
    assert alone.record.teacher_result is not None
    forward = alone.record.teacher_result.network.forward_flops_per_image
    assert forward is not None
    rows = [ledger(one, Phase.STUDENT_TRAINING) for one in (alone, together)]
    saved = sum(row.flops or 0 for row in rows[0]) - sum(row.flops or 0 for row in rows[1])
    assert saved == pytest.approx(sum(row.images for row in rows[0]) * forward * 2 / 3), "two of three passes"


def test_a_bank_of_some_anchors_is_another_loss_and_changes_none_of_its_bits(alone: Campaign, tmp_path: Path) -> None:
    # One step after the other with the teacher on every batch, in lockstep, and from a bank by two processes
    some = (*SCENES, *GRID, "objective.teacher_anchors=16")
    live = Campaign(tmp_path / "live", *some, *ALONE)
    assert live.settings.campaign_id != alone.settings.campaign_id
    assert results(live) != results(alone)

    bank = ("training.bank=true", "training.parallel_mode=processes", "training.parallel_trials=2")
    for number, way in enumerate([(), bank]):
        assert_same(Campaign(tmp_path / str(number), *some, *way), live)
    stored = [path.stat().st_size for path in (tmp_path / "1").rglob("epoch_*.safetensors")]
    assert sum(stored) == pytest.approx(31 * 2 * 16 * (11 + 4 + 2) * 4, rel=0.1), "16 of 360 anchors"


def test_a_stop_and_a_resumption_change_no_bit(alone: Campaign, tmp_path: Path) -> None:
    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path, *SCENES, *GRID, stop=StopAfter(11))
    resumed = Campaign(tmp_path, *SCENES, *GRID)
    assert [row.status for row in resumed.trials] == [TrialStatus.INTERRUPTED] * 3 + [TrialStatus.COMPLETE] * 3
    assert_same(resumed, alone)


def test_a_stop_during_an_evaluation_is_heard_and_no_step_is_made_twice(alone: Campaign, tmp_path: Path) -> None:
    teacher_validation, teacher_test, second_students_validation = 6, 3, 10  # which question each start is stopped at
    for question in (teacher_validation, teacher_test, second_students_validation):
        with pytest.raises(TrainingInterruptedError):
            Campaign(tmp_path, *SCENES, *GRID, stop=StopAfter(question))
    resumed = Campaign(tmp_path, *SCENES, *GRID)
    assert_same(resumed, alone)

    (file,) = tmp_path.glob("**/teachers/*/ledger.jsonl")
    teacher = [row.images for row in read_rows(file, LedgerRow).rows if row.phase is Phase.TEACHER_TRAINING]
    assert sum(teacher) == 40, "each scene once, in training or validation"
    trained = [sum(row.images for row in ledger(one, Phase.STUDENT_TRAINING)) for one in (resumed, alone)]
    assert trained[0] == trained[1]


def test_the_record_names_the_metric_and_its_details(alone: Campaign) -> None:
    record = alone.record
    assert record.status is CampaignStatus.DONE
    assert record.metric == "mAP"
    test = next(test for test in record.tests if test.trial == record.chosen_trial)
    assert test.details is not None
    classes = [value for name, value in test.details.items() if name.startswith("AP ")]
    assert test.score == pytest.approx(sum(classes) / len(classes))
    assert "mAP by area" in test.details
    assert all(row.train_score is None for row in alone.epochs)
    assert record.student_inference is not None
    assert record.student_inference.images == TESTED


@pytest.mark.parametrize("objective", ["ssd", "ssd_self", "ssd_dml", "ssd_reg"])
def test_every_other_objective_trains(objective: str, tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, *SCENES, f"objective={objective}", "temperature=fixed")
    assert campaign.record.status is CampaignStatus.DONE
    losses = [row.train_loss for row in campaign.epochs]
    assert losses[1] < losses[0]


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        (
            ("dataset=digit_scenes", "objective=kd"),
            "objective=kd is a loss for classification.*take one of ssd, ssd_kl",
        ),
        (
            ("objective=ssd_kd",),
            "objective=ssd_kd is a loss for detection, and dataset=digits is of classification.*kd",
        ),
        (("dataset=digit_scenes", "student=tiny_cnn"), "student=tiny_cnn is a network for classification.*tiny_ssd"),
        (("teacher=small_ssd",), "teacher=small_ssd is a network for detection.*take one of .*small_cnn"),
        (
            ("dataset=digit_scenes", "dataset.task=segmentation"),
            "dataset.task='segmentation': there are classification, det",
        ),
        (("dataset=digit_scenes", "dataset.anchors=ssd512"), "dataset.anchors='ssd512'.*'ssd300'"),
        (("dataset=digit_scenes", "objective.soft=sigmoid", *GRID), "has no temperature"),
        (
            ("dataset=digit_scenes", "objective=ssd_kd", "objective.teacher_anchors=40"),
            r"the hint needs all: give objective\.hint_weight=0, or objective\.teacher_anchors=null",
        ),
        (
            ("dataset=digit_scenes", *GRID, "temperature.search={objective.teacher_anchors: [20, 40]}"),
            r"objective\.teacher_anchors=20 .* give the values to -m: objective\.teacher_anchors=…,…",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_what_does_not_fit_is_refused_before_data_are_read(
    choice: tuple[str, ...], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        settings(tmp_path, *choice)


def test_anchors_of_another_picture_size_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"dataset\.anchors=ssd300: is for pictures of 300 pixels"):
        Campaign(tmp_path, *SCENES, "dataset.anchors=ssd300", "temperature=fixed")


def test_a_data_set_of_boxes_chooses_what_the_command_leaves_open() -> None:
    chosen = composed("dataset=digit_scenes")
    names = {group: chosen[group]["name"] for group in ("teacher", "student", "objective", "training")}
    assert names == {
        "teacher": "small_ssd",
        "student": "tiny_ssd",
        "objective": "ssd_kl",
        "training": "detection_quick",
    }
    assert composed("dataset=digit_scenes", "objective=ssd")["objective"]["name"] == "ssd"
    assert composed()["teacher"]["name"] == "small_cnn"
