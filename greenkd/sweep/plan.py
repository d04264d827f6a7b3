"""What workers begin campaigns from: `plan.json` in each campaign's folder, written before anything is trained.

It is the configuration as it was composed, so that workers need no command line and no `conf/`. A campaign is in a
sweep's plan because it has a folder there: whoever removes the folder takes it out.
"""

import contextlib
import dataclasses
import json
from pathlib import Path
from typing import Any

from omegaconf import OmegaConf

from greenkd.campaign.reading import read_settings
from greenkd.campaign.settings import Settings
from greenkd.campaign.tau_source import with_tau_source
from greenkd.errors import ConfigError
from greenkd.identity import plain
from greenkd.records import CampaignStatus, RecordError, read_campaign, write_text
from greenkd.records.files import read_bytes
from greenkd.records.timestamps import now
from greenkd.sweep.job import Job

FILE = "plan.json"
# Below the sweep's folder; a campaign alone in a folder of its own (`hydra.run.dir`) is a sweep of its own.
_PLACES = (f"*/*/*/*/seed*/{FILE}", FILE)


@dataclasses.dataclass(frozen=True)
class PlannedCampaign:
    """A campaign that workers may take up.

    Attributes:
        settings: What to run.
        folder: The campaign's.
        planned_at: When a command last asked for it: what has failed since is not tried again by itself.
    """

    settings: Settings
    folder: Path
    planned_at: str


def write_plan(job: Job, settings: Settings, folder: Path) -> None:
    """Writes a campaign's plan; one that says the same stays, unless the campaign has ended otherwise than well.

    Args:
        job: The composed job.
        settings: What was read from it.
        folder: The campaign's.

    Raises:
        StorageError: It cannot be written.
    """
    content = {"campaign_id": settings.campaign_id, "config": job.portable}

    # Asked for again, what has failed is to be tried again.
    record = None
    with contextlib.suppress(RecordError, FileNotFoundError):
        record = read_campaign(folder / "campaign.json")
    may_be_kept = record is None or record.status in (CampaignStatus.RUNNING, CampaignStatus.DONE)
    if may_be_kept and (kept := _read(folder)) is not None and content == {key: kept[key] for key in content}:
        return
    # Without a lock: whoever plans the same campaign at the same time writes the same.
    write_text(folder / FILE, json.dumps({**content, "planned_at": now("milliseconds")}, indent=1))


def read_plan(folder: Path) -> PlannedCampaign:
    """Reads a campaign's plan.

    Args:
        folder: The campaign's.

    Raises:
        ConfigError: It is damaged, or means another campaign here than where it was written.
    """
    content = _read(folder)
    if content is None:
        raise ConfigError(f"{folder / FILE}: is damaged; type the command that planned it again")

    settings = read_settings(plain(OmegaConf.create(content["config"])))
    if settings.campaign_id != content["campaign_id"]:
        raise ConfigError(
            f"{folder / FILE}: was written by another version of greenkd, to which its settings mean another campaign; "
            "type the command that planned it again"
        )
    return PlannedCampaign(with_tau_source(settings, folder), folder, content["planned_at"])


def planned_folders(sweep: Path) -> list[Path]:
    """Returns the folders of a sweep's planned campaigns, seeds outermost: those of one seed are compared first."""
    found = (file.parent for place in _PLACES for file in sweep.glob(place))
    return sorted(found, key=lambda folder: (_seed(folder), folder))


def _seed(folder: Path) -> int:
    digits = folder.name.removeprefix("seed").partition("-")[0]
    return int(digits) if digits.isdecimal() else 0


def _read(folder: Path) -> dict[str, Any] | None:
    """Returns what a plan says; None if there is none, or none that can be read."""
    try:
        content = json.loads(read_bytes(folder / FILE) or b"null")
    except ValueError:
        return None
    is_plan = isinstance(content, dict) and {"campaign_id", "config", "planned_at"} <= content.keys()
    return content if is_plan else None
