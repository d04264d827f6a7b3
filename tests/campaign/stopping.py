"""Campaigns that are stopped, and how they are compared with those that were not."""

from pathlib import Path

import pytest
import torch

from greenkd.errors import TrainingInterruptedError
from greenkd.records import CampaignStatus
from greenkd.training.safetensors_io import load_tensors
from tests.campaigns import Campaign, StopAfter

GRID = ("temperature=grid", "temperature.taus=[2,8,4]", "training.checkpoint_every_s=0.001")


def stopped(root: Path, after: int) -> None:
    with pytest.raises(TrainingInterruptedError):
        Campaign(root, *GRID, stop=StopAfter(after))


def folder_of(root: Path) -> Path:
    (config,) = (root / "multirun").rglob("config.yaml")
    return config.parent


def assert_same(campaign: Campaign, reference: Campaign) -> None:
    """The results are those of the undisturbed campaign, to the last bit."""
    assert campaign.record.status is CampaignStatus.DONE
    assert campaign.record.tests == reference.record.tests
    assert campaign.record.chosen_trial == reference.record.chosen_trial
    assert campaign.record.val_score == reference.record.val_score
    rows = {(row.trial, row.epoch, row.train_loss, row.val_loss) for row in campaign.epochs}
    assert rows == {(row.trial, row.epoch, row.train_loss, row.val_loss) for row in reference.epochs}
    one, _ = load_tensors(campaign.folder / "student.safetensors")
    other, _ = load_tensors(reference.folder / "student.safetensors")
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
