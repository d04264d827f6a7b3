"""Small batches, and the probabilities of softened logits worked out in NumPy's float64."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from greenkd.objectives import (
    CRD,
    DKD,
    DML,
    KD,
    TTM,
    AnnealingKD,
    CrossEntropy,
    LabelSmoothing,
    LossInputs,
    Objective,
    Setup,
    TfKDReg,
    TfKDSelf,
)

CLASSES = 5
SAMPLES = 40
SHAPE = (1, 3, 3)
STUDENT_FEATURES, TEACHER_FEATURES = 6, 7
TRAIN_LABELS = torch.arange(SAMPLES) * 7 % CLASSES

EVERY: dict[str, Callable[[], Objective]] = {
    "none": CrossEntropy,
    "kd": KD,
    "kd_element_mean": lambda: KD(reduction="element_mean"),
    "kd_taus": lambda: KD(taus=(2.0, 5.0)),
    "label_smoothing": LabelSmoothing,
    "tfkd_self": lambda: TfKDSelf(multiplier=50.0),
    "tfkd_reg": TfKDReg,
    "tfkd_reg_softened": lambda: TfKDReg(soften_student=True, reduction="batchmean"),
    "dml": DML,
    "dkd": DKD,
    "dkd_taus": lambda: DKD(taus=(2.0, 5.0)),
    "ttm": TTM,
    "wttm": lambda: TTM(weighted=True),
    "annealing_kd": AnnealingKD,
    "crd": lambda: CRD(negatives=8, embedding_size=4),
}


def make_setup(seed: int = 0) -> Setup:
    def build_peer() -> nn.Module:
        peer = nn.Linear(9, CLASSES)
        generator = torch.Generator().manual_seed(seed + 1)
        nn.init.normal_(peer.weight, generator=generator)
        nn.init.normal_(peer.bias, generator=generator)
        return nn.Sequential(nn.Flatten(), peer)

    return Setup(
        num_classes=CLASSES,
        train_labels=TRAIN_LABELS,
        student_feature_size=STUDENT_FEATURES,
        teacher_feature_size=TEACHER_FEATURES,
        build_peer=build_peer,
        seed=seed,
    )


def make(name: str, seed: int = 0) -> Objective:
    objective = EVERY[name]()
    objective.setup(make_setup(seed))
    return objective


def make_batch(
    seed: int = 0,
    *,
    size: int = 6,
    dtype: torch.dtype = torch.float64,
    scale: float = 3.0,
    tau: float = 4.0,
    **fields: Any,
) -> LossInputs:
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return (scale * torch.randn(*shape, generator=generator, dtype=torch.float64)).to(dtype)

    indices = torch.randperm(SAMPLES, generator=generator)[:size]
    values: dict[str, Any] = {
        "images": normal(size, *SHAPE),
        "labels": TRAIN_LABELS[indices],
        "indices": indices,
        "student_logits": normal(size, CLASSES).requires_grad_(),
        "teacher_logits": normal(size, CLASSES),
        "student_features": normal(size, STUDENT_FEATURES).requires_grad_(),
        "teacher_features": normal(size, TEACHER_FEATURES),
        "tau_student": torch.tensor(tau),
        "tau_teacher": torch.tensor(tau),
        "epoch": 0,
    }
    return LossInputs(**(values | fields))


def array(values: Tensor) -> np.ndarray:
    return values.detach().double().numpy()


def probabilities(logits: np.ndarray, tau: float = 1.0) -> np.ndarray:
    powers = np.exp(logits / tau)
    return powers / powers.sum(axis=1, keepdims=True)


def kl_sum(p: np.ndarray, q: np.ndarray) -> float:
    return float((p * np.log(p / q)).sum())


def ce_mean(logits: np.ndarray, labels: Tensor) -> float:
    chosen = probabilities(logits)[np.arange(len(labels)), labels.numpy()]
    return float(-np.log(chosen).mean())
