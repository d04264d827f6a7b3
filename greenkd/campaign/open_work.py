"""Whether a campaign has something to do for one process more, told from its files alone: no data, no network."""

import dataclasses
from enum import Enum
from pathlib import Path

from greenkd.campaign.folder import CampaignFolder
from greenkd.campaign.rungs import read_rungs
from greenkd.campaign.settings import Settings
from greenkd.campaign.trial_queue import FINISHED
from greenkd.records import CampaignStatus, TrialStatus
from greenkd.records.timestamps import to_seconds


class OpenWork(Enum):
    """What there is to do in a campaign."""

    FREE = "free"  # a trial that nobody runs, or the end, which nobody is at
    TAKEN = "taken"  # other processes run all that is left
    NONE = "none"  # it has ended


def look(settings: Settings, path: Path, planned_at: str) -> OpenWork:
    """Tells what there is to do in a campaign.

    Args:
        settings: The campaign's.
        path: Its folder.
        planned_at: When a command last asked for it. A teacher that has failed since would fail for every worker.

    Raises:
        ConfigError: The folder belongs to another configuration.
    """
    folder = CampaignFolder(path, settings)
    record = folder.record()
    if record is not None and record.status is not CampaignStatus.RUNNING:
        failed_since = record.broken_off_by == "teacher" and record.updated_at >= to_seconds(planned_at)
        return OpenWork.FREE if folder.may_reopen(record) and not failed_since else OpenWork.NONE

    # Trials that could be taken, if nobody holds them
    rows = folder.all_rows()
    ended = {row.trial for row in folder.rows() if row.status in FINISHED}
    free = read_rungs(settings.strategy.rungs(settings.training.recipe.epochs), rows).until.keys() - ended
    waits_for_its_end = len(ended) >= settings.strategy.planned_trials()
    locks = ["finish"] if waits_for_its_end else [f"trial_{trial}" for trial in sorted(free)]
    return OpenWork.FREE if any(not _is_held(folder, lock) for lock in locks) else OpenWork.TAKEN


def retrying_once(settings: Settings, path: Path, planned_at: str) -> Settings:
    """Returns a campaign's settings, with `retry=failed` only if a trial failed before that was asked for.

    Of many workers each would run again what fails for all of them.

    Args:
        settings: The campaign's.
        path: Its folder.
        planned_at: When a command last asked for it.
    """
    if settings.retry == "none":
        return settings
    rows = CampaignFolder(path, settings).rows()
    asked_for = any(row.status is TrialStatus.FAILED and row.started_at < planned_at for row in rows)
    return settings if asked_for else dataclasses.replace(settings, retry="none")


def _is_held(folder: CampaignFolder, name: str) -> bool:
    """Tells whether a living process holds a lock of a campaign."""
    lock = folder.lock(name)
    if not lock.acquire(0):
        return True
    lock.release()
    return False
