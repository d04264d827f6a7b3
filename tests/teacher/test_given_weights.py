"""A teacher whose weights are given: scored once, its energy in a ledger of its own."""

import shutil
from pathlib import Path

import pytest
import safetensors.torch
from torch import Tensor

from greenkd.errors import ConfigError, TrainingInterruptedError
from greenkd.records import CampaignStatus, LedgerRow, Phase, read_rows
from tests.campaigns import Campaign, StopAfter

pytestmark = pytest.mark.slow
SCORED = 287 + 359  # validation and test images
SMALL = ("temperature=fixed", "training.epochs=1")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("trained"), *SMALL, "training.teacher.epochs=6")


def weights_of(campaign: Campaign) -> Path:
    (path,) = (campaign.settings.cache_dir / "teachers").glob("*/weights.safetensors")
    return path


def scored_images(root: Path) -> list[int]:
    """Images of every row in the ledgers of given teachers."""
    return [
        row.images
        for ledger in sorted((root / "cache" / "teachers").glob("*/ledger.jsonl"))
        for row in read_rows(ledger, LedgerRow).rows
        if row.phase is Phase.TEST
    ]


def flipped(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: each.flip(0).clone() if each.ndim else each for name, each in tensors.items()}


def test_scored_once_as_after_its_training(trained: Campaign, tmp_path: Path) -> None:
    weights = shutil.copy(weights_of(trained), tmp_path / "mine.safetensors")
    first = Campaign(tmp_path, *SMALL, f"teacher.weights={weights}", "temperature.tau=3")
    wanted, got = trained.record.teacher_result, first.record.teacher_result
    assert wanted is not None
    assert got is not None
    assert (got.val_score, got.test_score) == (wanted.val_score, wanted.test_score)
    assert (got.trained_by, got.costs, first.record.teacher_paid) == ("given", None, None)
    assert scored_images(tmp_path) == [SCORED]

    second = Campaign(tmp_path, *SMALL, f"teacher.weights={weights}", "temperature.tau=5")
    assert second.record.teacher_result == got
    assert scored_images(tmp_path) == [SCORED]


def test_other_weights_or_another_network_are_scored_anew(trained: Campaign, tmp_path: Path) -> None:
    weights = tmp_path / "mine.safetensors"
    tensors = safetensors.torch.load_file(weights_of(trained))
    safetensors.torch.save_file(tensors, weights)
    first = Campaign(tmp_path, *SMALL, f"teacher.weights={weights}")
    safetensors.torch.save_file(flipped(tensors), weights)
    second = Campaign(tmp_path, *SMALL, f"teacher.weights={weights}", "temperature.tau=5")
    assert first.record.teacher_result is not None
    assert second.record.teacher_result is not None
    assert second.record.teacher_result.key != first.record.teacher_result.key
    assert second.record.teacher_result.test_score < first.record.teacher_result.test_score
    assert scored_images(tmp_path) == [SCORED] * 2


def test_a_damaged_record_is_made_again(trained: Campaign, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    weights = shutil.copy(weights_of(trained), tmp_path / "mine.safetensors")
    first = Campaign(tmp_path, *SMALL, f"teacher.weights={weights}")
    (described,) = tmp_path.glob("cache/teachers/*/teacher.json")
    described.write_text("{")
    second = Campaign(tmp_path, *SMALL, f"teacher.weights={weights}", "temperature.tau=5")
    assert "damaged" in caplog.text
    assert second.record.teacher_result == first.record.teacher_result


def test_a_campaign_goes_on_with_the_weights_it_was_begun_with_or_not_at_all(trained: Campaign, tmp_path: Path) -> None:
    weights = tmp_path / "mine.safetensors"
    tensors = safetensors.torch.load_file(weights_of(trained))
    safetensors.torch.save_file(tensors, weights)
    command = (*SMALL, f"teacher.weights={weights}")
    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path, *command, stop=StopAfter(5))
    safetensors.torch.save_file(flipped(tensors), weights)
    with pytest.raises(ConfigError, match="other weights"):
        Campaign(tmp_path, *command)
    safetensors.torch.save_file(tensors, weights)
    assert Campaign(tmp_path, *command).record.status is CampaignStatus.DONE
