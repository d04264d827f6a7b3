from dataclasses import replace

import numpy as np
import pytest
import torch

from greenkd.objectives import DKD, LossInputs
from greenkd.objectives.dkd import decoupled_divergences

from .batches import CLASSES, array, ce_mean, kl_sum, make_batch, make_setup, probabilities


def parts(batch: LossInputs, tau_student: float, tau_teacher: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Per sample: divergence of (label, rest), of the renormalised rest, and the teacher's probability of the label."""
    assert batch.teacher_logits is not None
    p = probabilities(array(batch.teacher_logits), tau_teacher)
    q = probabilities(array(batch.student_logits), tau_student)
    target, rest, sure = [], [], []
    for row, label in enumerate(batch.labels.tolist()):
        a, b = p[row, label], q[row, label]
        target.append(a * np.log(a / b) + (1 - a) * np.log((1 - a) / (1 - b)))
        rest.append(kl_sum(np.delete(p[row], label) / (1 - a), np.delete(q[row], label) / (1 - b)))
        sure.append(a)
    return np.array(target), np.array(rest), np.array(sure)


def test_loss_equals_the_formula() -> None:
    batch = make_batch(tau_student=torch.tensor(2.0), tau_teacher=torch.tensor(5.0), epoch=30)
    target, rest, _ = parts(batch, 2.0, 5.0)
    expected = ce_mean(array(batch.student_logits), batch.labels) + 10 * (1.5 * target.mean() + 8 * rest.mean())
    assert DKD(alpha=1.5, beta=8.0)(batch).item() == pytest.approx(expected, rel=1e-6)


def test_parts_add_up_to_the_divergence() -> None:
    # Per sample KL = TCKD + (1 − p_label)·NCKD; so with α = β = 1 DKD exceeds KL by p_label·NCKD.
    batch = make_batch(tau=4.0)
    assert batch.teacher_logits is not None
    p, q = probabilities(array(batch.teacher_logits), 4.0), probabilities(array(batch.student_logits), 4.0)
    target, rest, sure = parts(batch, 4.0, 4.0)
    assert (target + (1 - sure) * rest).sum() == pytest.approx(kl_sum(p, q), rel=1e-10)
    distillation = DKD(alpha=1.0, beta=1.0, warmup_epochs=0)(batch) - ce_mean(array(batch.student_logits), batch.labels)
    assert distillation.item() == pytest.approx(16 * (kl_sum(p, q) + (sure * rest).sum()) / len(p), rel=1e-6)


def test_warm_up_rises_from_the_first_epoch() -> None:
    objective = DKD(warmup_epochs=20)
    hard = ce_mean(array(make_batch().student_logits), make_batch().labels)
    full = objective(make_batch(epoch=19)).item() - hard
    for epoch, share in ((0, 0.05), (9, 0.5), (18, 0.95), (19, 1.0), (200, 1.0)):
        assert objective(make_batch(epoch=epoch)).item() - hard == pytest.approx(share * full, rel=1e-6)
    assert DKD(warmup_epochs=0)(make_batch(epoch=0)).item() - hard == pytest.approx(full, rel=1e-6)


def test_warm_up_is_a_twelfth_of_the_training_unless_said() -> None:
    hard = ce_mean(array(make_batch().student_logits), make_batch().labels)
    full = DKD(warmup_epochs=0)(make_batch()).item() - hard
    for epochs, first in ((240, 1 / 20), (24, 1 / 2), (12, 1.0), (2, 1.0)):
        objective = DKD()
        objective.setup(replace(make_setup(), epochs=epochs))
        assert objective(make_batch(epoch=0)).item() - hard == pytest.approx(first * full, rel=1e-6)


def test_identical_logits_leave_cross_entropy_alone() -> None:
    batch = make_batch(epoch=50)
    batch = replace(batch, teacher_logits=batch.student_logits.detach())
    assert DKD()(batch).item() == pytest.approx(ce_mean(array(batch.student_logits), batch.labels), rel=1e-12)


def test_two_classes_have_no_second_part() -> None:
    batch = make_batch()
    _, rest = decoupled_divergences(torch.randn(6, 2), torch.randn(6, 2), batch.labels.clamp(max=1))
    assert rest.item() == 0.0


def test_logits_far_apart_stay_finite() -> None:
    logits = torch.full((6, CLASSES), -3000.0, requires_grad=True)
    teacher = torch.full((6, CLASSES), -3000.0)
    teacher[:, 0] = 3000.0
    loss = DKD(warmup_epochs=0)(make_batch(student_logits=logits, teacher_logits=teacher, tau=0.5))
    loss.backward()
    assert torch.isfinite(loss)
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()
