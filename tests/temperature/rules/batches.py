"""Tiny batches for rules, and the distillation loss worked out in NumPy's float64 from given temperatures."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from greenkd.objectives import KD, LossInputs
from greenkd.softening import RuleInputs
from greenkd.temperature.rules import RULES, Rule, RuleSetup

SAMPLES = 4
EPOCHS = 10
SETUP = RuleSetup(num_classes=10, epochs=EPOCHS, seed=3)


def make_rule(name: str, **settings: Any) -> Rule:
    rule = RULES[name](**settings)
    rule.setup(SETUP)
    return rule.double()


def make_inputs(
    classes: int = 10, tau: float = 4.0, *, epoch: int = 0, scale: float = 3.0, seed: int = 0
) -> RuleInputs:
    generator = torch.Generator().manual_seed(seed)
    logits = scale * torch.randn(2, SAMPLES, classes, generator=generator, dtype=torch.float64)
    return RuleInputs(
        student_logits=logits[0].clone().requires_grad_(),
        teacher_logits=logits[1],
        labels=torch.randint(classes, (SAMPLES,), generator=generator),
        indices=torch.randperm(100, generator=generator)[:SAMPLES],
        tau_student=torch.tensor(tau, dtype=torch.float64),
        tau_teacher=torch.tensor(tau, dtype=torch.float64),
        epoch=epoch,
    )


def loss_inputs(inputs: RuleInputs, **fields: Any) -> LossInputs:
    values: dict[str, Any] = {
        "images": torch.zeros(SAMPLES, 1, 1, 1),
        "labels": inputs.labels,
        "indices": inputs.indices,
        "student_logits": inputs.student_logits,
        "teacher_logits": inputs.teacher_logits,
        "student_features": None,
        "teacher_features": None,
        "tau_student": inputs.tau_student,
        "tau_teacher": inputs.tau_teacher,
        "epoch": inputs.epoch,
    }
    return LossInputs(**(values | fields))


def distillation(rule: Rule | None, inputs: RuleInputs) -> Tensor:
    """The distillation term alone, as `kd` computes it under a rule."""
    objective = KD(alpha=1.0)
    objective.rule = rule
    result: Tensor = objective(loss_inputs(inputs))
    return result


def log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))


def kl_by_hand(student: np.ndarray, teacher: np.ndarray, factor: np.ndarray | float) -> float:
    """Mean over the samples of factor·KL(teacher ‖ student), both [n, K] softened already."""
    log_p, log_q = log_softmax(teacher), log_softmax(student)
    return float((factor * (np.exp(log_p) * (log_p - log_q)).sum(axis=1, keepdims=True)).mean())
