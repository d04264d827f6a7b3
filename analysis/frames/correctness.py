"""Which test images every tested trial got right, from the `tests.jsonl` of the campaigns' folders."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from analysis.frames.problem import Problem
from greenkd.errors import RecordError
from greenkd.records import CampaignRecord, read_correctness


def correctness(
    campaign_records: dict[int, CampaignRecord], folders: dict[int, Path], problems: list[Problem]
) -> dict[tuple[int, int], NDArray[np.bool_]]:
    """Returns, by campaign and trial, which test images were right; [images] in the order of the test split.

    Args:
        campaign_records: The records of the campaigns, by number. Campaigns on other data than the first of their
            setting are left out: their images stand in another order.
        folders: Their folders, likewise.
        problems: Receives the files that cannot be read.
    """
    data_of: dict[str, str | None] = {}
    correct: dict[tuple[int, int], NDArray[np.bool_]] = {}
    for campaign, record in campaign_records.items():
        if data_of.setdefault(record.setting_id, record.data_fingerprint) != record.data_fingerprint:
            continue
        try:
            of_campaign = read_correctness(folders[campaign])
        except RecordError as error:
            problems.append(Problem(str(folders[campaign]), str(error)))
            continue
        correct |= {(campaign, trial): images for trial, images in of_campaign.items()}
    return correct
