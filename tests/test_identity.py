"""Folders are functions of the configuration."""

from pathlib import Path

import pytest

from greenkd.identity import campaign_folder, sweep_folder
from tests.campaigns import composed


def test_the_sweeps_folder_is_found_from_a_campaigns() -> None:
    sweep = Path("multirun/mine")
    assert sweep_folder(sweep / campaign_folder(composed())) == sweep


@pytest.mark.parametrize(
    "place", ["/x1", "x1", "/tmp/runs/of/today/at/noon/x1", "seed0-0123456789", "s/seed0-0123456789"]
)
def test_a_campaign_that_lies_elsewhere_is_a_sweep_of_its_own(place: str) -> None:
    assert sweep_folder(Path(place)) == Path(place)


def test_a_sweep_may_lie_at_the_root_or_in_the_current_folder() -> None:
    for sweep in (Path("/"), Path(), Path("/data")):
        assert sweep_folder(sweep / campaign_folder(composed())) == sweep
