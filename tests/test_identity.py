"""Folders are functions of the configuration."""

from pathlib import Path

from greenkd.identity import campaign_folder, sweep_folder
from tests.campaigns import composed


def test_the_sweeps_folder_is_found_from_a_campaigns() -> None:
    sweep = Path("multirun/mine")
    assert sweep_folder(sweep / campaign_folder(composed())) == sweep
