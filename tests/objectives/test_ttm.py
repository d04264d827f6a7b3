from dataclasses import replace

import numpy as np
import pytest
import torch

from greenkd.objectives import TTM

from .batches import array, ce_mean, kl_sum, make_batch, probabilities


def powers(logits: np.ndarray, gamma: float) -> tuple[np.ndarray, np.ndarray]:
    """The source's way: probabilities to a power, renormalised; and what they summed up to."""
    raised = probabilities(logits) ** gamma
    total = raised.sum(axis=1, keepdims=True)
    return raised / total, total


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("tau", [0.5, 1.0, 4.0, 20.0])
@pytest.mark.parametrize("classes", [2, 10, 100])
def test_loss_and_gradient_are_those_of_the_source_s_arithmetic(classes: int, tau: float, weighted: bool) -> None:
    rng = np.random.default_rng(classes)
    student, teacher = rng.normal(scale=3, size=(2, 6, classes))
    batch = make_batch(
        tau_student=torch.tensor(7.0),
        tau_teacher=torch.tensor(tau, dtype=torch.float64),
        student_logits=torch.tensor(student, requires_grad=True),
        teacher_logits=torch.tensor(teacher),
        labels=torch.tensor(rng.integers(classes, size=6)),
    )
    target, total = powers(teacher, 1 / tau)
    per_sample = (target * np.log(target / probabilities(student))).sum(axis=1)
    divergence = (per_sample * (total[:, 0] if weighted else 1)).mean()
    expected = ce_mean(student, batch.labels) + 3 * divergence
    objective = TTM(kl_weight=3.0, weighted=weighted)
    assert objective(batch).item() == pytest.approx(expected, rel=1e-9)
    assert torch.autograd.gradcheck(
        lambda logits: objective(replace(batch, student_logits=logits)), batch.student_logits
    )


@pytest.mark.parametrize("weighted", [False, True])
def test_without_a_power_it_is_plain_distillation_at_one(weighted: bool) -> None:
    # With γ = 1 the powers sum up to 1, so weighing changes nothing either.
    batch = make_batch(tau=1.0)
    assert batch.teacher_logits is not None
    student, teacher = array(batch.student_logits), array(batch.teacher_logits)
    expected = ce_mean(student, batch.labels) + 45 * kl_sum(probabilities(teacher), probabilities(student)) / 6
    assert TTM(weighted=weighted)(batch).item() == pytest.approx(expected, rel=1e-9)


def test_the_student_s_own_temperature_has_no_effect() -> None:
    losses = {TTM()(make_batch(tau_student=torch.tensor(tau))).item() for tau in (1.0, 5.0)}
    assert len(losses) == 1
