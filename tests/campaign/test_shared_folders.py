"""Full disks, folders of others, and processes that share a campaign."""

import dataclasses
import errno
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

from greenkd import records
from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.errors import ConfigError, StorageError
from greenkd.records import CampaignStatus, TrialStatus, append_row, read_rows
from greenkd.records import files as records_files
from greenkd.training.stop_signals import StopFlag
from tests.campaign.stopping import GRID, assert_same, folder_of, stopped
from tests.campaigns import Campaign


def full_after(writes: int) -> Callable[[int, bytes], int]:
    write, left = os.write, [writes]

    def limited(descriptor: int, data: bytes) -> int:
        left[0] -= 1
        if left[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return write(descriptor, data)

    return limited


@pytest.mark.parametrize("writes", [0, 9])
def test_a_disk_that_fills_up_stops_the_campaign_and_loses_nothing(
    reference: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, writes: int
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(records_files.os, "write", full_after(writes))
        with pytest.raises(StorageError, match=r"No space left on device.*free some space"):
            Campaign(tmp_path, *GRID)
    assert not any(row.status is TrialStatus.FAILED for row in _trial_rows(tmp_path)), "no trial is to blame"
    assert_same(Campaign(tmp_path, *GRID), reference)


def _trial_rows(root: Path) -> list[records.TrialRow]:
    return [row for path in root.rglob("trials.jsonl") for row in read_rows(path, records.TrialRow).rows]


def test_a_trial_that_another_process_holds_is_waited_for(reference: Campaign, tmp_path: Path) -> None:
    """Another process has trial 2, writes its row and lets go: it is told to the study, and not trained again."""
    stopped(tmp_path, 35)
    folder = folder_of(tmp_path)
    other = FileLock(folder / ".locks" / "trial_2.lock")
    other.acquire()
    (row,) = [row for row in reference.trials if row.trial == 2]

    class Released(StopFlag):
        """The wait for others asks for a stop: the moment at which the other process ends."""

        def check(self) -> None:
            if other.is_locked and {0, 1} <= {row.trial for row in _trial_rows(tmp_path)}:
                append_row(folder / "trials.jsonl", dataclasses.replace(row, attempt=7, val_score=0.0))
                other.release()

    campaign = Campaign(tmp_path, *GRID, stop=Released())
    assert campaign.record.status is CampaignStatus.DONE
    assert [row.attempt for row in campaign.trials if row.trial == 2] == [7]


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, reference: Campaign) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"cannot be written .*hydra\.sweep\.dir"):
        run_campaign(reference.settings, tmp_path / "file" / "campaign", StopFlag(), Reporter())
    unusable = dataclasses.replace(reference.settings, cache_dir=tmp_path / "file" / "cache")
    with pytest.raises(StorageError, match=r"cache_dir=<a folder you can write>"):
        run_campaign(unusable, tmp_path / "campaign", StopFlag(), Reporter())


def test_a_vanished_data_folder_is_named(tmp_path: Path) -> None:
    from greenkd.errors import DataError

    overrides = ("dataset=cifar10", f"data_dir={tmp_path / 'gone'}", "dataset.download=false")
    with pytest.raises((DataError, ConfigError), match="gone"):
        Campaign(tmp_path, *overrides)


def test_the_record_of_another_configuration_is_refused_even_when_it_is_damaged(tmp_path: Path) -> None:
    from tests.campaigns import settings

    done = Campaign(tmp_path, "temperature=fixed")
    (done.folder / "campaign.json").write_text("{")
    other = settings(tmp_path, "temperature=fixed", "training.lr=0.05")
    with pytest.raises(ConfigError, match=r"training\.lr: 0\.1 then, 0\.05 now"):
        run_campaign(other, done.folder, StopFlag(), Reporter())


def test_a_later_process_does_not_reopen_what_has_been_finished(reference: Campaign) -> None:
    """It had begun before the campaign was finished, and has its own idea of the record."""
    from greenkd.campaign.folder import CampaignFolder

    folder = CampaignFolder(reference.folder, reference.settings)
    stale = dataclasses.replace(reference.record, status=CampaignStatus.RUNNING, chosen_trial=None)
    assert folder.begin(stale, retry=False) == reference.record
    assert folder.update(student_network=None) == reference.record
    assert json.loads((reference.folder / "campaign.json").read_text())["status"] == "done"


class RemovesOnce(StopFlag):
    """Removes a folder at one of the questions whether to stop."""

    def __init__(self, folder: Path, question: int) -> None:
        super().__init__()
        self._folder = folder
        self._left = question

    def check(self) -> None:
        self._left -= 1
        if self._left == 0:
            shutil.rmtree(self._folder)
        super().check()


@pytest.mark.parametrize("question", [2, 14, 24, 34])  # teacher's training, before the bank, while it is filled, after
def test_a_cache_that_is_removed_meanwhile_is_made_anew(reference: Campaign, tmp_path: Path, question: int) -> None:
    removes = RemovesOnce(tmp_path / "cache", question)
    assert_same(Campaign(tmp_path, *GRID, stop=removes), reference)
    assert (tmp_path / "cache").exists()


def test_a_campaigns_folder_that_is_removed_meanwhile_is_named(reference: Campaign, tmp_path: Path) -> None:
    removes = RemovesOnce(tmp_path / "multirun", 40)
    with pytest.raises(StorageError, match=r"its folder was removed meanwhile; the same command"):
        Campaign(tmp_path, *GRID, stop=removes)
    assert_same(Campaign(tmp_path, *GRID), reference)
