from dataclasses import replace

import numpy as np
import pytest
import torch

from greenkd.errors import ConfigError
from greenkd.objectives import KD, TfKDReg, TfKDSelf

from .batches import CLASSES, array, ce_mean, kl_sum, make_batch, make_setup, probabilities


def test_self_equals_the_formula_of_the_source() -> None:
    batch = make_batch(tau=6.0)
    assert batch.teacher_logits is not None
    student, copy = array(batch.student_logits), array(batch.teacher_logits)
    # nn.KLDivLoss() of the source averages over all elements, classes included.
    divergence = kl_sum(probabilities(copy, 6.0), probabilities(student, 6.0)) / student.size * 36 * 50
    expected = 0.05 * ce_mean(student, batch.labels) + 0.95 * divergence
    assert TfKDSelf(alpha=0.95, multiplier=50.0)(batch).item() == pytest.approx(expected, rel=1e-6)


def test_self_with_unit_multiplier_is_kd() -> None:
    batch = make_batch()
    left = TfKDSelf(alpha=0.3, multiplier=1.0, reduction="batchmean")(batch)
    assert left.item() == pytest.approx(KD(alpha=0.3)(batch).item(), rel=1e-12)


def test_self_asks_for_the_student_s_own_copy() -> None:
    assert TfKDSelf().teacher == "student"
    assert KD().teacher == "teacher"
    assert TfKDReg().teacher is None


def virtual_teacher(labels: torch.Tensor, tau: float, correct: float = 0.99) -> np.ndarray:
    table = np.full((len(labels), CLASSES), (1 - correct) / (CLASSES - 1))
    table[np.arange(len(labels)), labels.numpy()] = correct
    return probabilities(table, tau)


@pytest.mark.parametrize("tau", [0.5, 1.0, 2.7, 20.0, 100.0])
@pytest.mark.parametrize("soften_student", [False, True])
@pytest.mark.parametrize("reduction", ["element_mean", "batchmean"])
def test_reg_equals_the_formula_of_the_source(tau: float, soften_student: bool, reduction: str) -> None:
    batch = make_batch(tau_teacher=torch.tensor(tau), tau_student=torch.tensor(3.0))
    student = array(batch.student_logits)
    teacher = virtual_teacher(batch.labels, batch.tau_teacher.item())
    divergence = kl_sum(teacher, probabilities(student, 3.0 if soften_student else 1.0))
    divergence /= student.size if reduction == "element_mean" else len(student)
    expected = 0.9 * ce_mean(student, batch.labels) + 0.1 * 100 * divergence
    objective = TfKDReg(alpha=0.1, multiplier=100.0, soften_student=soften_student, reduction=reduction)  # type: ignore[arg-type]
    loss = objective(batch)
    assert loss.dtype == torch.float64
    assert loss.item() == pytest.approx(expected, rel=1e-12)


def test_reg_vanishes_where_the_student_is_the_virtual_teacher() -> None:
    batch = make_batch(tau=20.0)
    logits = torch.from_numpy(np.log(virtual_teacher(batch.labels, 20.0)))
    loss = TfKDReg(alpha=1.0, multiplier=1.0, reduction="batchmean")(replace(batch, student_logits=logits))
    assert abs(loss.item()) < 1e-7


def test_reg_at_alpha_zero_is_cross_entropy() -> None:
    batch = make_batch()
    expected = ce_mean(array(batch.student_logits), batch.labels)
    assert TfKDReg(alpha=0.0)(batch).item() == pytest.approx(expected, rel=1e-12)


def test_a_virtual_teacher_that_does_not_favour_the_label_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"true_class_probability=0\.2: must be above 0\.2"):
        TfKDReg(true_class_probability=0.2).setup(make_setup())
