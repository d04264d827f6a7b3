from dataclasses import replace

import pytest
import torch

from greenkd.objectives import AnnealingKD

from .batches import CLASSES, array, ce_mean, make_batch, make_setup


def ready(**settings: float | str) -> AnnealingKD:
    objective = AnnealingKD(**settings)  # type: ignore[arg-type]
    objective.setup(replace(make_setup(), epochs=10))
    return objective


@pytest.mark.parametrize(("tau", "scale"), [(10.0, 0.1), (4.0, 0.7), (1.0, 1.0), (0.5, 1.0), (50.0, 0.1)])
def test_the_first_phase_follows_a_growing_part_of_the_teacher_s_logits(tau: float, scale: float) -> None:
    batch = make_batch(tau_teacher=torch.tensor(tau, dtype=torch.float64), epoch=7)
    assert batch.teacher_logits is not None
    squares = (array(batch.student_logits) - scale * array(batch.teacher_logits)) ** 2
    assert ready()(batch).item() == pytest.approx(squares.mean(), rel=1e-9)
    assert ready(reduction="batchmean")(batch).item() == pytest.approx(squares.sum() / len(squares), rel=1e-9)
    assert squares.shape[1] == CLASSES


@pytest.mark.parametrize(("first_phase", "labels_from"), [(0.8, 8), (0.5, 5), (0.0, 0), (1.0, 10)])
def test_the_second_phase_learns_from_the_labels(first_phase: float, labels_from: int) -> None:
    for epoch in range(10):
        batch = make_batch(epoch=epoch)
        is_cross_entropy = ready(first_phase=first_phase)(batch).item() == pytest.approx(
            ce_mean(array(batch.student_logits), batch.labels), rel=1e-9
        )
        assert is_cross_entropy == (epoch >= labels_from)
