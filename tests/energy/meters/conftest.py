"""What tests of several meters share."""

from pathlib import Path

import pytest

from tests.energy.meters.powercap import Powercap


@pytest.fixture
def powercap(tmp_path: Path) -> Powercap:
    return Powercap(tmp_path)
