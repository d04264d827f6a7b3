import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from greenkd.objectives import KD, LossInputs, softened_kl

from .batches import CLASSES, array, ce_mean, kl_sum, make_batch, probabilities


def test_divergence_of_two_classes_by_hand() -> None:
    # Teacher logits τ·(ln 3, 0) soften to (3/4, 1/4); equal student logits to (1/2, 1/2):
    # KL = 3/4·ln(3/2) + 1/4·ln(1/2) = 0.130812…
    tau = torch.tensor(2.0)
    teacher = torch.tensor([[2 * math.log(3), 0.0]], dtype=torch.float64)
    student = torch.full((1, 2), 7.0, dtype=torch.float64)
    expected = 0.75 * math.log(1.5) - 0.25 * math.log(2)
    assert expected == pytest.approx(0.130812, abs=1e-6)
    assert softened_kl(student, teacher, tau, tau).item() == pytest.approx(4 * expected, rel=1e-12)
    assert softened_kl(student, teacher, tau, tau, tau_squared=False).item() == pytest.approx(expected, rel=1e-12)
    assert softened_kl(student, teacher, tau, tau, reduction="element_mean").item() == pytest.approx(2 * expected)


@pytest.mark.parametrize("reduction", ["batchmean", "element_mean"])
@pytest.mark.parametrize("tau_squared", [True, False])
def test_loss_equals_the_formula(reduction: str, tau_squared: bool) -> None:
    batch = make_batch(tau_student=torch.tensor(2.5), tau_teacher=torch.tensor(6.0))
    student, teacher = array(batch.student_logits), array(present(batch))
    divergence = kl_sum(probabilities(teacher, 6.0), probabilities(student, 2.5)) / len(student)
    if reduction == "element_mean":
        divergence /= CLASSES
    if tau_squared:
        divergence *= 2.5 * 6.0
    expected = 0.7 * ce_mean(student, batch.labels) + 0.3 * divergence
    objective = KD(alpha=0.3, reduction=reduction, tau_squared=tau_squared)  # type: ignore[arg-type]
    assert objective(batch).item() == pytest.approx(expected, rel=1e-6)


def test_loss_equals_the_literature_s_cross_entropy_form() -> None:
    # KL and cross-entropy with soft targets differ by the teacher's entropy, which carries no gradient.
    batch = make_batch(tau=3.0)
    KD(alpha=1.0)(batch).backward()
    logits = batch.student_logits.detach().clone().requires_grad_()
    soft_targets = torch.softmax(present(batch) / 3, dim=1)
    (9 * torch.nn.functional.cross_entropy(logits / 3, soft_targets)).backward()
    assert torch.allclose(batch.student_logits.grad, logits.grad, rtol=1e-6)


def test_alpha_zero_is_cross_entropy() -> None:
    batch = make_batch()
    assert KD(alpha=0.0)(batch).item() == pytest.approx(ce_mean(array(batch.student_logits), batch.labels), rel=1e-12)


def test_identical_logits_leave_cross_entropy_alone() -> None:
    batch = make_batch()
    batch = replace(batch, teacher_logits=batch.student_logits.detach())
    expected = 0.1 * ce_mean(array(batch.student_logits), batch.labels)
    assert KD(alpha=0.9)(batch).item() == pytest.approx(expected, rel=1e-12)


def test_large_temperature_matches_centred_logits() -> None:
    # Hinton et al., section 2.1: τ²·KL → ‖z̄ − t̄‖² / (2K) per sample, with each network's logits centred.
    batch = make_batch(tau=1e4)
    difference = array(batch.student_logits) - array(present(batch))
    difference -= difference.mean(axis=1, keepdims=True)
    expected = (difference**2).sum() / (2 * CLASSES) / len(difference)
    assert KD(alpha=1.0)(batch).item() == pytest.approx(expected, rel=1e-3)


def test_gradient_at_large_temperature_is_the_logit_difference() -> None:
    batch = make_batch(tau=1e4)
    KD(alpha=1.0)(batch).backward()
    difference = array(batch.student_logits) - array(present(batch))
    difference -= difference.mean(axis=1, keepdims=True)
    assert np.allclose(array(batch.student_logits.grad), difference / CLASSES / len(difference), rtol=1e-2, atol=1e-4)


def test_the_drawn_temperature_scales_its_own_batch() -> None:
    objective = KD(alpha=1.0)
    for drawn in (2.0, 2.7, 17.0):
        batch = make_batch(tau=drawn)
        tau = batch.tau_student.item()  # 2.7 as float32 holds it; its square is not rounded to float32
        student, teacher = array(batch.student_logits), array(present(batch))
        expected = tau**2 * kl_sum(probabilities(teacher, tau), probabilities(student, tau)) / len(student)
        assert objective(batch).item() == pytest.approx(expected, rel=1e-12)


def test_a_missing_teacher_is_named() -> None:
    with pytest.raises(ValueError, match="teacher_logits"):
        KD()(replace(make_batch(), teacher_logits=None))


def present(batch: LossInputs) -> torch.Tensor:
    assert batch.teacher_logits is not None
    return batch.teacher_logits
