"""What a worker sees of a campaign before it opens it."""

import dataclasses
from pathlib import Path

from greenkd.campaign.folder import CampaignFolder
from greenkd.campaign.open_work import OpenWork, look, retrying_once
from greenkd.records import CampaignStatus, TrialStatus, append_row, write_campaign
from tests.campaigns import Campaign

GRID = ("temperature=grid", "temperature.taus=[2,4]")
LONG_AGO, LATER = "2000-01-01T00:00:00.000+00:00", "2100-01-01T00:00:00.000+00:00"


def test_what_is_free_is_told_from_rows_and_locks(tmp_path: Path) -> None:
    done = Campaign(tmp_path / "done", *GRID)
    assert look(done.settings, done.folder, LATER) is OpenWork.NONE

    # A campaign of which nothing is known, with one of its trials on record, with both, and with its end under way
    path = tmp_path / "open"
    folder = CampaignFolder(path, done.settings)
    assert look(done.settings, path, LATER) is OpenWork.FREE
    write_campaign(path / "campaign.json", dataclasses.replace(done.record, status=CampaignStatus.RUNNING))
    first, second = done.trials
    append_row(path / "trials.jsonl", first)
    assert look(done.settings, path, LATER) is OpenWork.FREE
    with folder.lock("trial_1"):
        assert look(done.settings, path, LATER) is OpenWork.TAKEN
    append_row(path / "trials.jsonl", second)
    assert look(done.settings, path, LATER) is OpenWork.FREE
    with folder.lock("finish"):
        assert look(done.settings, path, LATER) is OpenWork.TAKEN

    # What failed before it was asked for is tried again, once.
    append_row(path / "trials.jsonl", dataclasses.replace(second, status=TrialStatus.FAILED, cause="memory"))
    retrying = dataclasses.replace(done.settings, retry="failed")
    assert retrying_once(retrying, path, LATER).retry == "failed"
    assert retrying_once(retrying, path, LONG_AGO).retry == "none"

    failed = dataclasses.replace(done.record, status=CampaignStatus.FAILED, refused=True, broken_off_by="teacher")
    write_campaign(path / "campaign.json", failed)
    assert look(done.settings, path, LATER) is OpenWork.FREE
    assert look(done.settings, path, LONG_AGO) is OpenWork.NONE
    write_campaign(path / "campaign.json", dataclasses.replace(failed, broken_off_by="refusal"))
    assert look(done.settings, path, LONG_AGO) is OpenWork.FREE
