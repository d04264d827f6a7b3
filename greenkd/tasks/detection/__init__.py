"""Detection: boxes of K classes, found from anchors and scored by the average precision of PASCAL VOC."""

from greenkd.tasks.detection.evaluator import DetectionEvaluator
from greenkd.tasks.detection.task import Detection

__all__ = ["Detection", "DetectionEvaluator"]
