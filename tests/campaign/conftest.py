"""What tests of several faults share."""

import pytest

from tests.campaign.stopping import GRID
from tests.campaigns import Campaign


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    return Campaign(tmp_path_factory.mktemp("reference"), *GRID)
