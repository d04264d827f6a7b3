"""Campaigns on VOC's layout with every augmentation: whichever way they are run, the results are the same bits."""

from pathlib import Path

import numpy as np
import pytest

from greenkd.data.voc import CLASS_NAMES
from greenkd.errors import TrainingInterruptedError
from tests.campaign.test_detection import assert_same
from tests.campaigns import Campaign, StopAfter
from tests.data.detection_layouts import SIZE, Thing, write_voc

# The networks and anchors of the digit scenes: small pictures, yet out of squares of 300 pixels.
SMALL = (
    *("dataset=voc", "dataset.splits=[2007train]", "dataset.test_split=2007val", "dataset.anchors=digit_scenes"),
    *("teacher=small_ssd", "student=tiny_ssd", "training.batch_size=9", "dataset.validation_fraction=0.2"),
)
GRID = ("temperature=grid", "temperature.taus=[1,4]")


def pictures(count: int, seed: int) -> dict[str, list[Thing]]:
    """Pictures of four things each; ten of them show all classes twice."""
    rng = np.random.default_rng(seed)
    content: dict[str, list[Thing]] = {}
    for row in range(count):
        corners = rng.integers(0, 30, (4, 2))
        sides = rng.integers(8, 30, (4, 2))
        things: list[Thing] = []
        for place, ((left, top), (width, height)) in enumerate(zip(corners.tolist(), sides.tolist(), strict=True)):
            box = (left, top, min(left + width, SIZE[0]), min(top + height, SIZE[1]))
            things.append((CLASS_NAMES[(4 * row + place) % 20], box, False))
        content[f"{seed}_{row}"] = things
    return content


@pytest.fixture(scope="module")
def voc(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    root = tmp_path_factory.mktemp("voc")
    write_voc(root, {"train": pictures(30, seed=1), "val": pictures(10, seed=2)})
    return (*SMALL, f"dataset.root={root}")


def test_lockstep_and_a_stop_change_no_bit(voc: tuple[str, ...], tmp_path: Path) -> None:
    alone = Campaign(tmp_path / "alone", *voc, *GRID, "training.parallel_trials=1")
    augmentation = alone.settings.dataset.mapping["augmentation"]
    assert all(augmentation[name] is True for name in ("photometric", "zoom_out", "iou_crop", "flip"))

    with pytest.raises(TrainingInterruptedError):
        Campaign(tmp_path / "stopped", *voc, *GRID, stop=StopAfter(4))
    assert_same(Campaign(tmp_path / "stopped", *voc, *GRID), alone)
