"""The FLOPs in the ledgers, against a count by hand of the default pair on 8×8 grey images with 10 classes."""

from pathlib import Path

import pytest

from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.campaign.reading import read_settings
from greenkd.objectives import CrossEntropy, Objective
from greenkd.records import CampaignRecord, LedgerRow, Phase, read_rows
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import composed


def small_cnn(width: int) -> tuple[int, int]:
    """Forward and training FLOPs of an image: a 3×3 convolution at 8×8, one at 4×4, a linear layer; 1 MAC = 2 FLOPs."""
    first, second, last = 64 * width * 9, 16 * (2 * width) * width * 9, 2 * width * 10
    forward = 2 * (first + second + last)
    # Backward: once as much for the weights and once for the inputs, but nobody asks for the gradient of the images.
    return forward, 3 * forward - 2 * first


STUDENT, STUDENT_TRAINING = small_cnn(8)
TEACHER, TEACHER_TRAINING = small_cnn(32)
# A smoke run: 6 training, 3 validation and 6 test images; two epochs for the student, one for the teacher.
EPOCHS, TRAIN, VALIDATION, TEST = 2, 6, 3, 6


def run(root: Path, *overrides: str) -> CampaignRecord:
    fixed = ("smoke=true", "energy=none", "device=cpu", "temperature=fixed", f"cache_dir={root / 'cache'}")
    return run_campaign(read_settings(composed(*fixed, *overrides)), root / "campaign", StopFlag(), Reporter())


def recorded(root: Path, phase: Phase, trial: int | None) -> tuple[int, float, float]:
    """Images, FLOPs, forward FLOPs of one phase, over all ledgers below a folder."""
    rows = [row for path in root.rglob("ledger.jsonl") for row in read_rows(path, LedgerRow).rows]
    own = [row for row in rows if row.phase is phase and row.trial == trial and row.images]
    return (
        sum(row.images for row in own),
        sum(row.flops or 0.0 for row in own),
        sum(row.forward_flops or 0.0 for row in own),
    )


def images_times(images: int, flops: int, forward: int) -> tuple[int, int, int]:
    return images, images * flops, images * forward


def test_student_with_stored_logits(tmp_path: Path) -> None:
    record = run(tmp_path, "objective=kd")
    assert recorded(tmp_path, Phase.STUDENT_TRAINING, 0) == images_times(EPOCHS * TRAIN, STUDENT_TRAINING, STUDENT)
    assert recorded(tmp_path, Phase.VALIDATION, 0) == images_times(EPOCHS * VALIDATION, STUDENT, STUDENT)
    assert recorded(tmp_path, Phase.TEST, 0) == images_times(TEST, STUDENT, STUDENT)
    assert recorded(tmp_path, Phase.TEACHER_LOGITS, None) == images_times(EPOCHS * TRAIN, TEACHER, TEACHER)
    assert recorded(tmp_path, Phase.INFERENCE, 0) == images_times(TEST, STUDENT, STUDENT)
    assert recorded(tmp_path, Phase.INFERENCE, None) == images_times(TEST, TEACHER, TEACHER)
    images, flops, forward = recorded(tmp_path, Phase.TEACHER_TRAINING, None)
    assert images == TRAIN + VALIDATION
    assert flops == TRAIN * TEACHER_TRAINING + VALIDATION * TEACHER
    assert forward == (TRAIN + VALIDATION) * TEACHER
    assert record.logits_costs is not None
    assert record.logits_costs.flops == pytest.approx(EPOCHS * TRAIN * TEACHER)
    assert record.student_inference is not None
    assert record.student_inference.costs.flops == TEST * STUDENT


# CRD in multiply-accumulates: 16 features of the student and 64 of the teacher are projected to 128 numbers, and each
# of the two embeddings is scored against a bank of the 6 images; backward, bank and teacher take no gradient.
SCORES, STUDENT_PROJECTION, TEACHER_PROJECTION = 2 * 128 * TRAIN, 16 * 128, 64 * 128
CONTRAST = 2 * (SCORES + STUDENT_PROJECTION + TEACHER_PROJECTION)
CONTRAST_TRAINING = 2 * (2 * SCORES + 3 * STUDENT_PROJECTION + 2 * TEACHER_PROJECTION)


@pytest.mark.parametrize(("objective", "forward", "training"), [("crd", CONTRAST, CONTRAST_TRAINING), ("kd", 0, 0)])
def test_student_with_the_teacher_beside_it(objective: str, forward: int, training: int, tmp_path: Path) -> None:
    run(tmp_path, f"objective={objective}", "training.bank=false")
    both = images_times(EPOCHS * TRAIN, STUDENT_TRAINING + TEACHER + training, STUDENT + TEACHER + forward)
    assert recorded(tmp_path, Phase.STUDENT_TRAINING, 0) == both
    assert recorded(tmp_path, Phase.TEACHER_LOGITS, None) == (0, 0, 0)


def test_a_peer_is_trained_but_not_evaluated(tmp_path: Path) -> None:
    record = run(tmp_path, "objective=dml")
    assert recorded(tmp_path, Phase.STUDENT_TRAINING, 0) == images_times(
        EPOCHS * TRAIN, 2 * STUDENT_TRAINING, 2 * STUDENT
    )
    assert recorded(tmp_path, Phase.VALIDATION, 0) == images_times(EPOCHS * VALIDATION, STUDENT, STUDENT)
    assert recorded(tmp_path, Phase.TEST, 0) == images_times(TEST, STUDENT, STUDENT)
    assert record.teacher_inference is None


class SilentLoss(CrossEntropy):
    """An objective of a user's own that does not state its FLOPs."""

    flops = Objective.flops  # type: ignore[assignment]


def test_an_objective_that_states_none_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    run(tmp_path / "stated", "objective=none")
    assert "does not state its FLOPs" not in caplog.text
    run(tmp_path / "silent", "objective=none", f"objective._target_={__name__}.SilentLoss", "objective.name=mine")
    assert "objective mine does not state its FLOPs" in caplog.text
    assert recorded(tmp_path / "silent", Phase.STUDENT_TRAINING, 0)[1] == EPOCHS * TRAIN * STUDENT_TRAINING
