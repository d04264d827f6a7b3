import math

import numpy as np
import pytest
import torch

from greenkd.errors import ConfigError
from greenkd.objectives import CrossEntropy, LabelSmoothing

from .batches import CLASSES, array, ce_mean, make_batch, make_setup, probabilities


def test_cross_entropy_of_equal_logits_is_log_of_the_number_of_classes() -> None:
    batch = make_batch(student_logits=torch.zeros(6, CLASSES))
    assert CrossEntropy()(batch).item() == pytest.approx(math.log(CLASSES))


def test_cross_entropy_equals_the_formula() -> None:
    batch = make_batch()
    assert CrossEntropy()(batch).item() == pytest.approx(ce_mean(array(batch.student_logits), batch.labels), rel=1e-12)


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_label_smoothing_spreads_over_the_other_classes_only(smoothing: float) -> None:
    batch = make_batch()
    targets = np.full((6, CLASSES), smoothing / (CLASSES - 1))
    targets[np.arange(6), batch.labels.numpy()] = 1 - smoothing
    expected = -(targets * np.log(probabilities(array(batch.student_logits)))).sum() / 6
    assert LabelSmoothing(smoothing=smoothing)(batch).item() == pytest.approx(expected, rel=1e-12)


def test_label_smoothing_is_least_where_the_prediction_equals_the_smoothed_labels() -> None:
    batch = make_batch()
    targets = torch.full((6, CLASSES), 0.1 / (CLASSES - 1), dtype=torch.float64)
    targets[torch.arange(6), batch.labels] = 0.9
    logits = targets.log().requires_grad_()
    LabelSmoothing(smoothing=0.1)(make_batch(student_logits=logits)).backward()
    assert logits.grad is not None
    assert logits.grad.abs().max().item() < 1e-12


def test_smoothing_that_makes_wrong_classes_right_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"objective\.smoothing=0\.8: must be below 0\.8"):
        LabelSmoothing(smoothing=0.8).setup(make_setup())
