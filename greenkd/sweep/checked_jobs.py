"""A command's jobs, checked before the first of them runs: settings, folders, how far each is, what is left to do."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from greenkd.campaign.at_rest import is_at_rest
from greenkd.campaign.progress import CampaignState, read_state
from greenkd.campaign.settings import Settings
from greenkd.campaign.tau_source import with_tau_source
from greenkd.sweep.campaign_folders import make_campaign_folder
from greenkd.sweep.job import Job
from greenkd.sweep.order import PlannedCampaigns
from greenkd.sweep.plan import write_plan
from greenkd.sweep.repeats import read_without_repeats
from greenkd.sweep.seeds import campaign_ids


@dataclasses.dataclass(frozen=True)
class CheckedJobs:
    """What a command's jobs turn out to be.

    Attributes:
        campaigns: Settings and folder of every campaign, repeats left out.
        states: How far each campaign is.
        repeats: Resolved folders of jobs that would train what another job of the command trains.
        at_rest: Folders of campaigns for which nothing is left to do; empty where the command trains nothing.
        nothing_to_do: For each job, whether it is a repeat, or its campaign is at rest.
    """

    campaigns: list[tuple[Settings, Path]]
    states: list[CampaignState]
    repeats: set[Path]
    at_rest: set[Path]
    nothing_to_do: list[bool]


def check_jobs(jobs: Sequence[Job], folder_of: Callable[[Mapping[str, Any], str], Path]) -> CheckedJobs:
    """Checks all jobs. Where they are to be run, makes folders for those that are not at rest, and leaves plans.

    Args:
        jobs: The composed jobs.
        folder_of: Returns the folder of a job's campaign, given its configuration and id.

    Raises:
        GreenkdError: A job is refused, a record cannot be read, or a folder cannot be written.
    """
    configs = [job.config for job in jobs]
    ids = campaign_ids(configs)
    folders = [folder_of(config, identity) for config, identity in zip(configs, ids, strict=True)]
    campaigns, repeats = [], set()
    composed: list[Job] = []
    for job, folder, settings in zip(jobs, folders, read_without_repeats(configs, ids), strict=True):
        if settings is None:
            repeats.add(folder.resolve())
        else:
            campaigns.append((with_tau_source(settings, folder), folder))
            composed.append(job)

    states = [read_state(settings, folder) for settings, folder in campaigns]
    if trains_nothing(campaigns):
        return CheckedJobs(campaigns, states, repeats, set(), [False] * len(jobs))

    # What is to be run, for those who run it
    at_rest = set()
    for job, (settings, folder), state in zip(composed, campaigns, states, strict=True):
        if is_at_rest(settings, folder, state):
            at_rest.add(folder)
            continue
        make_campaign_folder(folder)
        if state.is_open:
            write_plan(job, settings, folder)

    to_run = {folder for _, folder in campaigns} - at_rest
    return CheckedJobs(campaigns, states, repeats, at_rest, [folder not in to_run for folder in folders])


def trains_nothing(campaigns: PlannedCampaigns) -> bool:
    """Tells whether a command only looks at its campaigns.

    Args:
        campaigns: The command's.
    """
    return any(settings.dry_run or settings.estimate for settings, _ in campaigns)
