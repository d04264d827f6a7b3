"""Campaigns that are done are told without reading their rows, and opened only where something is left to see to."""

import dataclasses
import json
from pathlib import Path

import pytest

from greenkd.campaign.at_rest import describe_at_rest, is_at_rest
from greenkd.campaign.progress import CampaignState, read_state
from greenkd.records import RecordError, read_campaign, read_rows, write_campaign
from greenkd.records.trial import TrialRow
from tests.campaigns import Campaign
from tests.records.edits import edit_document


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("done"), "temperature=grid", "temperature.taus=[2,4]")


def at_rest(campaign: Campaign) -> bool:
    return is_at_rest(campaign.settings, campaign.folder, read_state(campaign.settings, campaign.folder))


def test_the_state_of_a_done_campaign_is_what_its_rows_say(done: Campaign) -> None:
    state = read_state(done.settings, done.folder)
    rows = read_rows(done.folder / "trials.jsonl", TrialRow).rows
    assert (state.planned, state.ended, state.turns, state.state) == (2, len(rows), 0, "done")
    assert all(row.status.has_ended for row in rows)
    assert state.done is not None
    assert state.done.environment.meter == read_campaign(done.folder / "campaign.json").environment.meter


def test_what_is_left_to_see_to_keeps_a_campaign_from_rest(done: Campaign, tmp_path: Path) -> None:
    assert at_rest(done)
    (done.folder / "trials").mkdir()  # a process that was killed before it removed the weights
    assert not at_rest(done)
    (done.folder / "trials").rmdir()
    (done.folder / "manifest.json").rename(tmp_path / "manifest.json")
    assert not at_rest(done)
    (tmp_path / "manifest.json").rename(done.folder / "manifest.json")

    other_number = dataclasses.replace(done.settings, threads=7)  # a run refuses it, or knows it to be the same
    assert not is_at_rest(other_number, done.folder, read_state(other_number, done.folder))
    other_campaign = dataclasses.replace(done.settings, campaign_id="0123456789")
    assert not is_at_rest(other_campaign, done.folder, read_state(other_campaign, done.folder))
    assert at_rest(done)


def test_a_campaign_that_is_not_done_or_damaged_is_not_at_rest(done: Campaign, tmp_path: Path) -> None:
    file = done.folder / "campaign.json"
    whole, record = file.read_bytes(), json.loads(file.read_text())
    for damaged in (whole.replace(b'"done"', b'"dome"'), whole[:-40], b""):
        file.write_bytes(damaged)
        assert read_state(done.settings, done.folder).state == "2 of 2 trials done, test to do"
        assert not at_rest(done)

    file.write_bytes(whole)
    write_campaign(file, dataclasses.replace(read_campaign(file), status="partial", message="x"))
    assert record["status"] == "done"
    assert read_state(done.settings, done.folder).state == "2 of 2 trials done"
    assert not at_rest(done)
    file.write_bytes(whole)


def test_a_record_that_is_no_campaign_of_a_known_version_is_refused(done: Campaign) -> None:
    file = done.folder / "campaign.json"
    whole = file.read_bytes()
    for changes, problem in (
        ({"schema_version": 99}, "schema version 99, this greenkd reads 1 and 2"),
        ({"status": "asleep"}, "campaign.json: status: Input should be"),
        ({"environment": None}, "campaign.json: environment: Input should be"),
    ):
        edit_document(file, **changes)
        with pytest.raises(RecordError, match=problem):
            read_state(done.settings, done.folder)
        file.write_bytes(whole)


def test_done_campaigns_are_named_once_for_each_meter(done: Campaign) -> None:
    state = read_state(done.settings, done.folder)
    energy = dataclasses.replace(done.settings.energy, mapping={**done.settings.energy.mapping, "name": "rapl"})
    otherwise = dataclasses.replace(done.settings, energy=energy)
    campaigns: list[tuple[object, CampaignState]] = [(done.settings, state), (otherwise, state), (done.settings, state)]
    meter = state.done.environment.meter if state.done else ""
    assert describe_at_rest(campaigns) == [  # type: ignore[arg-type]
        f"2 campaigns are done already, metered by {meter}; nothing to train",
        f"1 campaign is done already, metered by {meter}; nothing to train",
        "  to meter by rapl as well, give the sweep another name: sweep=<name>",
    ]
