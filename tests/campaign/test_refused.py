"""A campaign that is refused after it was begun says so, and the same command goes on once the cause is mended."""

import os
from pathlib import Path

import pytest
from omegaconf import OmegaConf

from greenkd.campaign import campaign as campaign_module
from greenkd.campaign.console import Reporter
from greenkd.campaign.folder import CampaignFolder
from greenkd.campaign.progress import read_state
from greenkd.campaign.refusal import record_refusal
from greenkd.campaign.training_context import DataCache
from greenkd.errors import ConfigError, DataError, TeacherFailedError, TrainingInterruptedError
from greenkd.identity import campaign_folder
from greenkd.records import CampaignStatus, read_campaign
from greenkd.sweep.execution import Command
from greenkd.sweep.exit_codes import ExitCode
from greenkd.sweep.interleave import take_turns
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import SHORT, Campaign, StopAfter, composed, settings
from tests.outside.pictures import save, write_folder
from tests.records.edits import edit_document

GRID = ("temperature=grid", "temperature.taus=[2,8,4]")
ONE_PICTURE = "has 1 training image"


def too_few(root: Path) -> tuple[str, ...]:
    """Writes pictures of which one class has a single one; returns the settings that train on them."""
    write_folder(root / "pictures")
    for number in range(2, 6):
        save(root / "pictures" / "train" / "ash" / f"{number}.png", seed=number)
    (root / "pictures" / "train" / "oak" / "1.png").unlink()
    return ("temperature=fixed", "dataset=image_folder", f"dataset.root={root / 'pictures'}", "training.batch_size=4")


def mend(root: Path) -> None:
    for number in range(1, 6):
        save(root / "pictures" / "train" / "oak" / f"{number}.png", seed=10 + number)


def folder_of(root: Path, *overrides: str) -> Path:
    return root / "multirun" / campaign_folder(settings(root, *overrides).config)


def stopped(root: Path) -> CampaignFolder:
    """A grid that was stopped in its third trial."""
    with pytest.raises(TrainingInterruptedError):
        Campaign(root, *GRID, stop=StopAfter(66))
    return CampaignFolder(folder_of(root, *GRID), settings(root, *GRID))


def test_refused_data_are_on_record_until_they_are_mended(tmp_path: Path) -> None:
    overrides = too_few(tmp_path)
    file = folder_of(tmp_path, *overrides) / "campaign.json"
    for _ in range(2):  # refused again as long as nothing is mended
        with pytest.raises(DataError, match=ONE_PICTURE):
            Campaign(tmp_path, *overrides)
        record = read_campaign(file)
        assert record.status is CampaignStatus.FAILED
        assert record.refused
        assert ONE_PICTURE in (record.message or "")
        assert "refused last time (class" in read_state(settings(tmp_path, *overrides), file.parent).state

    mend(tmp_path)
    campaign = Campaign(tmp_path, *overrides)
    assert campaign.record.status is CampaignStatus.DONE
    assert campaign.record.message is None
    assert not campaign.record.refused
    assert campaign.record.data_fingerprint != record.data_fingerprint


def test_campaigns_in_turns_are_recorded_as_refused_too(tmp_path: Path) -> None:
    overrides = (*too_few(tmp_path), "interleaving.calibration_steps=0")
    folder = folder_of(tmp_path, *overrides)
    results = take_turns([[(settings(tmp_path, *overrides), folder)]], StopFlag(), DataCache(), Reporter())
    assert isinstance(results[folder.resolve()], DataError)
    assert read_campaign(folder / "campaign.json").refused


def test_what_was_trained_before_a_refusal_is_kept(tmp_path: Path) -> None:
    folder = stopped(tmp_path)
    record_refusal(folder.path, settings(tmp_path, *GRID), DataError("the images\nhave gone"))
    record = read_campaign(folder.path / "campaign.json")
    assert (record.status, record.message) == (CampaignStatus.PARTIAL, "the images have gone")
    folder.tidy()
    assert (folder.path / "trials").exists()

    reference = Campaign(tmp_path / "undisturbed", *GRID)
    done = Campaign(tmp_path, *GRID)
    assert done.record.status is CampaignStatus.DONE
    assert done.record.tests == reference.record.tests
    assert done.record.message is None


def test_other_images_under_trials_on_record_stay_refused(tmp_path: Path) -> None:
    folder = stopped(tmp_path)
    folder.refuse("anything")
    file = folder.path / "campaign.json"
    edit_document(file, data_fingerprint="of other images")
    with pytest.raises(ConfigError, match="was begun on other images"):
        Campaign(tmp_path, *GRID)


def test_a_process_that_is_refused_stops_no_other(tmp_path: Path) -> None:
    folder = stopped(tmp_path)
    folder.refuse("the other machine has no such data")
    going_on = folder.update(val_score=0.5)
    assert (going_on.status, going_on.message, going_on.refused) == (CampaignStatus.RUNNING, None, False)

    record_refusal(folder.path, settings(tmp_path, *GRID), TrainingInterruptedError("a stop is no refusal"))
    assert read_campaign(folder.path / "campaign.json").status is CampaignStatus.RUNNING


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigError("a setting"), ExitCode.REFUSED),
        (PermissionError(13, "denied"), ExitCode.REFUSED),
        (TeacherFailedError("out of memory"), ExitCode.TRIALS_FAILED),
        (KeyError("a bug"), ExitCode.UNFORESEEN),
    ],
)
def test_a_launcher_ends_with_the_code_that_a_command_on_this_machine_ends_with(
    tmp_path: Path, error: Exception, code: ExitCode, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(*_: object) -> None:
        raise error

    config = composed(*SHORT, "temperature=fixed") | {"cache_dir": str(tmp_path / "cache")}
    folder = tmp_path / "multirun" / campaign_folder(config)
    monkeypatch.setattr(campaign_module, "prepare_teacher", break_off)
    job = Command("python run.py", os.getpid(), launched=True, repeats=set())
    job.run(OmegaConf.create(config), folder)
    launcher = Command("python run.py -m", os.getpid(), launched=False, repeats=set())
    launcher.campaigns = job.campaigns
    launcher.note_records()
    assert job.exit_code is launcher.exit_code is code


def test_a_finished_campaign_and_another_ones_stay_as_they_are(tmp_path: Path) -> None:
    done = Campaign(tmp_path, "temperature=fixed")
    before = (done.folder / "campaign.json").read_bytes()
    for other in (done.settings, settings(tmp_path, "temperature=fixed", "seed=1")):
        record_refusal(done.folder, other, DataError("gone"))
    assert (done.folder / "campaign.json").read_bytes() == before
