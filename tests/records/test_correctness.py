"""Which test images a trial got right, packed and unpacked, and as a campaign leaves it."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenkd.errors import RecordError
from greenkd.records import CorrectnessRow, append_row, read_correctness
from greenkd.records.correctness import FILE, correctness_row
from tests.campaigns import Campaign


@given(st.lists(st.booleans(), min_size=1, max_size=40))
def test_bits_come_back(tmp_path_factory: pytest.TempPathFactory, correct: list[bool]) -> None:
    folder = tmp_path_factory.mktemp("c")
    append_row(folder / FILE, correctness_row(3, ~np.array(correct)))
    append_row(folder / FILE, correctness_row(3, np.array(correct)))  # tested again after a kill: the last row counts
    (trial,) = read_correctness(folder).items()
    assert trial[0] == 3
    assert trial[1].tolist() == correct


def test_ten_thousand_images_take_less_than_two_kilobytes() -> None:
    assert len(correctness_row(0, np.ones(10_000, dtype=bool)).correct) < 2_000


def test_a_campaign_leaves_them_for_every_tested_trial(tmp_path: Path) -> None:
    campaign = Campaign(tmp_path, "temperature=restarts", "temperature.restarts=2")
    correct = read_correctness(campaign.folder)
    assert {trial: bits.mean() for trial, bits in correct.items()} == {
        test.trial: test.score for test in campaign.record.tests
    }
    assert (correct[0] != correct[1]).any()
    assert all(0 < (test.calibration_error or 0) < 1 for test in campaign.record.tests)


def test_folders_of_before_have_none(tmp_path: Path) -> None:
    assert read_correctness(tmp_path) == {}


@pytest.mark.parametrize(("images", "bits"), [(9, "/w=="), (3, "no base64!")])
def test_rows_that_make_no_sense_are_refused(tmp_path: Path, images: int, bits: str) -> None:
    append_row(tmp_path / FILE, CorrectnessRow(trial=4, images=images, correct=bits))
    with pytest.raises(RecordError, match="trial 4"):
        read_correctness(tmp_path)
