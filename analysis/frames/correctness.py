"""Which test images every tested trial got right, from the `tests.jsonl` of the campaigns' folders."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.frames.problem import Problem
from greenkd.errors import RecordError
from greenkd.records import CampaignRecord, read_correctness


def comparable_campaigns(campaign_records: dict[int, CampaignRecord]) -> set[int]:
    """Returns the campaigns on the same data as the first of their setting: others' images stand in another order."""
    data_of: dict[str, str | None] = {}
    return {
        campaign
        for campaign, record in campaign_records.items()
        if data_of.setdefault(record.setting_id, record.data_fingerprint) == record.data_fingerprint
    }


def correctness(folders: dict[int, Path]) -> tuple[dict[tuple[int, int], NDArray[np.bool_]], dict[int, Problem]]:
    """Reads which test images were right.

    Args:
        folders: The campaigns' folders, by number.

    Returns:
        By campaign and trial, [images] in the order of the test split; and by campaign, what cannot be read.
    """
    correct: dict[tuple[int, int], NDArray[np.bool_]] = {}
    problems: dict[int, Problem] = {}
    for campaign, folder in folders.items():
        try:
            of_campaign = read_correctness(folder)
        except RecordError as error:
            problems[campaign] = Problem(str(folder), str(error))
            continue
        correct |= {(campaign, trial): images for trial, images in of_campaign.items()}
    return correct, problems
