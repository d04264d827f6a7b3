"""Two finished campaigns whose students are used: one that classifies digits, one that finds them in scenes."""

import dataclasses
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from greenkd.records import CampaignRecord, write_campaign
from greenkd.records.manifest import remove_manifest
from tests.campaigns import Campaign

Edited = Callable[..., Path]


@pytest.fixture(scope="session")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("digits"), "temperature=grid", "temperature.taus=[1,4]")


@pytest.fixture(scope="session")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    sizes = ("dataset.train_scenes=150", "dataset.test_scenes=20", "training.batch_size=8", "training.epochs=4")
    return Campaign(tmp_path_factory.mktemp("scenes"), "dataset=digit_scenes", *sizes, "temperature=fixed")


@pytest.fixture
def edited(digits: Campaign, tmp_path: Path) -> Edited:
    """Copies the digits' folder and writes another record into it, as the campaign itself would have."""

    def edit(**changes: object) -> Path:
        folder = tmp_path / "edited"
        shutil.copytree(digits.folder, folder)
        record: CampaignRecord = dataclasses.replace(digits.record, **changes)  # type: ignore[arg-type]
        remove_manifest(folder)
        write_campaign(folder / "campaign.json", record)
        return folder

    return edit
