"""Tasks: what is being learned. A data set brings its task; networks, objectives and the bank follow from it.

A task says how a data set is split, what a network has to return for one image, how a network is scored on a split,
and what counts as a hit while it trains. Classification is the one there is.
"""

from greenkd.tasks.base import DetailedScore, Evaluator, Metric, Precision, Score, Task
from greenkd.tasks.classification import CLASSIFICATION, Classification, ClassificationEvaluator

__all__ = [
    "CLASSIFICATION",
    "Classification",
    "ClassificationEvaluator",
    "DetailedScore",
    "Evaluator",
    "Metric",
    "Precision",
    "Score",
    "Task",
]
