"""Tasks: what is being learned. A data set brings its task; networks, objectives and the bank follow from it.

A task says how a data set is split, what a network has to return for one image, how a network is scored on a split,
and what counts as a hit while it trains.
"""

from greenkd.anchors import ANCHOR_GRIDS
from greenkd.data import AnyDataset, DetectionDataset
from greenkd.records import DataRecord
from greenkd.tasks.base import AnyTask, DetailedScore, Evaluator, Metric, Precision, Score, Targets, Task
from greenkd.tasks.classification import CLASSIFICATION, Classification, ClassificationEvaluator
from greenkd.tasks.detection import Detection, DetectionEvaluator

__all__ = [
    "CLASSIFICATION",
    "AnyTask",
    "Classification",
    "ClassificationEvaluator",
    "DetailedScore",
    "Detection",
    "DetectionEvaluator",
    "Evaluator",
    "Metric",
    "Precision",
    "Score",
    "Targets",
    "Task",
    "make_task",
    "task_on_record",
]


def make_task(dataset: AnyDataset) -> AnyTask:
    """Returns the task that a data set brings."""
    return Detection(dataset.anchors, dataset.class_names) if isinstance(dataset, DetectionDataset) else CLASSIFICATION


def task_on_record(data: DataRecord) -> AnyTask:
    """Returns the task of a data set that is not at hand.

    Args:
        data: What is on record about it.
    """
    return CLASSIFICATION if data.anchors is None else Detection(ANCHOR_GRIDS[data.anchors], data.class_names)
