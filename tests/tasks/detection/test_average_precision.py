"""Average precision against an oracle without difficult boxes, and against cases worked by hand with them."""

import math

import numpy as np
import pytest
import torch
from torchmetrics.detection import MeanAveragePrecision

from greenkd.anchors import iou
from greenkd.tasks.detection.average_precision import AveragePrecision, TrueBoxes, average_precision, mean_over_classes
from greenkd.tasks.detection.post_processing import Detections

CLASSES, PLACES = 5, 6
TOLERANCE = 1e-6  # the oracle counts in float32


def scene(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Some boxes of one picture, and detections: boxes that are moved, missed, found twice, and made up."""
    count = int(rng.integers(0, PLACES + 1))
    corners = rng.random((count, 2)) * 0.6
    boxes = np.concatenate([corners, corners + 0.1 + 0.3 * rng.random((count, 2))], axis=1)
    labels = rng.integers(0, CLASSES, count)

    sources = rng.integers(0, count, int(rng.integers(0, 2 * count + 1))) if count else np.zeros(0, int)
    moved = boxes[sources] + 0.06 * (rng.random((len(sources), 4)) - 0.5)
    wild = np.concatenate([first := rng.random((2, 2)) * 0.5, first + 0.05 + 0.4 * rng.random((2, 2))], axis=1)
    found = np.concatenate([moved, wild])
    classes = np.concatenate([labels[sources], rng.integers(0, CLASSES, 2)])
    return boxes, labels, found, classes, rng.random(len(found))


def packed(scenes: list) -> tuple[Detections, TrueBoxes]:
    boxes = torch.zeros(len(scenes), PLACES, 4)
    labels = torch.full((len(scenes), PLACES), -1)
    for number, (true, classes, *_) in enumerate(scenes):
        boxes[number, : len(true)] = torch.from_numpy(true).float()
        labels[number, : len(true)] = torch.from_numpy(classes)

    images = torch.cat([torch.full((len(one[2]),), number) for number, one in enumerate(scenes)])
    found, classes, scores = (torch.cat([torch.from_numpy(one[place]) for one in scenes]) for place in (2, 3, 4))
    detections = Detections(images, found.float(), classes, scores.float())
    return detections, TrueBoxes(boxes, labels, torch.zeros_like(labels, dtype=torch.bool))


def oracle(scenes: list, recalls: list[float]) -> torch.Tensor:
    metric = MeanAveragePrecision(
        iou_thresholds=[0.5],
        rec_thresholds=recalls,
        max_detection_thresholds=[1, 10, 100],
        class_metrics=True,
        backend="faster_coco_eval",
    )
    for boxes, labels, found, classes, scores in scenes:
        metric.update(
            [
                {
                    "boxes": torch.from_numpy(found).float() * 1000,
                    "labels": torch.from_numpy(classes),
                    "scores": torch.from_numpy(scores).float(),
                }
            ],
            [{"boxes": torch.from_numpy(boxes).float() * 1000, "labels": torch.from_numpy(labels)}],
        )
    return metric.compute()["map_per_class"]


def without_contested_boxes(scenes: list) -> list:
    """Leaves out detections whose second best box would do as well: COCO's rule gives them that one if it is free."""
    kept = []
    for boxes, labels, found, classes, scores in scenes:
        overlaps = iou(torch.from_numpy(found), torch.from_numpy(boxes)).numpy()
        rivals = ((overlaps > 0.5) & (classes[:, None] == labels[None])).sum(axis=1)
        keep = rivals < 2
        kept.append((boxes, labels, found[keep], classes[keep], scores[keep]))
    return kept


def test_200_scenes_score_as_the_oracle_says() -> None:
    rng = np.random.default_rng(0)
    scenes = without_contested_boxes([scene(rng) for _ in range(200)])
    ours = average_precision(*packed(scenes), CLASSES)

    eleven = oracle(scenes, [k / 10 for k in range(11)]).double()
    torch.testing.assert_close(ours.eleven_points, eleven, rtol=0, atol=TOLERANCE)
    assert 0.2 < mean_over_classes(ours.eleven_points) < 0.9, "a score that says something"

    # With n boxes recall takes the steps k/n: the mean over their midpoints is the area.
    for number in range(CLASSES):
        boxes = sum(int((labels == number).sum()) for _, labels, *_ in scenes)
        area = oracle(scenes, [(k + 0.5) / boxes for k in range(boxes)])[number]
        assert float(ours.area[number]) == pytest.approx(float(area), abs=TOLERANCE)


def judged(found: list[tuple[float, int, float, float]], true: list[tuple[int, float, bool]]) -> AveragePrecision:
    """Scores one class whose boxes are unit squares beside each other.

    Args:
        found: Score, picture, left edge and length of each detection's row.
        true: Picture, left edge and whether difficult of each box.
    """
    pictures = 1 + max([one[1] for one in found] + [one[0] for one in true])
    boxes, labels = torch.zeros(pictures, PLACES, 4), torch.full((pictures, PLACES), -1)
    difficult = torch.zeros(pictures, PLACES, dtype=torch.bool)
    places = [0] * pictures
    for picture, left, hard in true:
        boxes[picture, places[picture]] = torch.tensor([left, 0, left + 1, 1])
        labels[picture, places[picture]] = 0
        difficult[picture, places[picture]] = hard
        places[picture] += 1

    rows = torch.tensor([[left, 0, left + length, 1] for _, _, left, length in found]).reshape(-1, 4)
    images = torch.tensor([one[1] for one in found], dtype=torch.int64)
    scores = torch.tensor([one[0] for one in found])
    detections = Detections(images, rows, torch.zeros_like(images), scores)
    return average_precision(detections, TrueBoxes(boxes, labels, difficult), 1)


def test_a_box_that_is_found_twice_counts_once() -> None:
    # Right, wrong (again), right: precision 1, ½, ⅔ at recall ½, ½, 1.
    result = judged([(0.9, 0, 0.0, 1.0), (0.8, 0, 0.1, 1.0), (0.7, 1, 0.0, 1.0)], [(0, 0.0, False), (1, 0.0, False)])
    assert float(result.area[0]) == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert float(result.eleven_points[0]) == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)


def test_a_difficult_box_is_neither_to_be_found_nor_wrong_however_often_it_is() -> None:
    found = [(0.95, 0, 0.0, 1.0), (0.9, 0, 0.05, 1.0), (0.8, 0, 5.0, 1.0)]
    result = judged(found, [(0, 0.0, True), (0, 5.0, False)])
    assert float(result.area[0]) == float(result.eleven_points[0]) == 1.0


def test_the_box_that_is_overlapped_most_decides_even_if_it_is_taken() -> None:
    # The second overlaps a taken box by 0.8/1.2 and a free one, which would do too, by less: wrong, unlike COCO's rule.
    true = [(0, 0.0, False), (0, 0.45, False)]
    result = judged([(0.9, 0, 0.0, 1.0), (0.8, 0, 0.2, 1.0)], true)
    assert float(result.area[0]) == pytest.approx(0.5)


def test_an_overlap_of_exactly_a_half_is_not_enough() -> None:
    assert float(judged([(0.9, 0, 0.0, 2.0)], [(0, 0.0, False)]).area[0]) == 0
    assert float(judged([(0.9, 0, 0.0, 1.99)], [(0, 0.0, False)]).area[0]) == 1


def test_other_classes_and_pictures_do_not_matter() -> None:
    assert float(judged([(0.9, 1, 0.0, 1.0)], [(0, 0.0, False)]).area[0]) == 0


def test_nothing_found_scores_0_and_a_class_without_boxes_is_left_out() -> None:
    detections = Detections(
        torch.zeros(0, dtype=torch.int64), torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0)
    )
    truth = TrueBoxes(torch.tensor([[[0.0, 0, 1, 1]]]), torch.tensor([[1]]), torch.zeros(1, 1, dtype=torch.bool))
    result = average_precision(detections, truth, 2)
    assert math.isnan(float(result.area[0]))
    assert float(result.eleven_points[1]) == mean_over_classes(result.area) == 0
