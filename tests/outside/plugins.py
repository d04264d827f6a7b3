"""Plug-ins that users write, right or with the mistake in what they return that their argument names."""

from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from greenkd.data import Dataset, Images
from greenkd.objectives import LossInputs, Objective
from greenkd.temperature import Temperatures


class Schedule:
    """τ = 4."""

    def __init__(self, mistake: str) -> None:
        self._mistake = mistake
        self._asked = 0

    def temperatures(self, *, seed: int, epoch: int, epochs: int, steps: int) -> object:
        self._asked += 1
        taus: Any = np.full(steps, 4.0, dtype=np.float32)
        student = taus
        match self._mistake:
            case "a bare array":
                return taus
            case "a list":
                student = taus.tolist()
            case "float64":
                student = taus.astype(np.float64)
            case "one τ":
                student = taus[:1]
            case "zero":
                student = 0 * taus
            case "its own dice":
                student = taus + self._asked
            case "an error":
                raise KeyError("an error")
        return Temperatures(teacher=taus, student=student)


class Loss(Objective):
    """Cross-entropy."""

    teacher = "teacher"

    def __init__(self, mistake: str) -> None:
        super().__init__()
        self._mistake = mistake
        self.weight = nn.Parameter(torch.ones(()))

    def forward(self, batch: LossInputs) -> Any:
        losses = nn.functional.cross_entropy(batch.student_logits, batch.labels, reduction="none")
        match self._mistake:
            case "one for each image":
                return losses
            case "a float":
                return losses.mean().item()
            case "detached":
                return losses.mean().detach()
            case "of the teacher":
                assert batch.teacher_logits is not None
                return (batch.teacher_logits * self.weight).mean()
            case "nan":
                return losses.mean() * float("nan")
            case "an error":
                raise KeyError("an error")
        return losses.mean()


class Network(nn.Module):
    """One linear layer."""

    def __init__(self, mistake: str, num_classes: int, in_channels: int, image_size: int) -> None:
        super().__init__()
        self._mistake = mistake
        self.linear = nn.Linear(in_channels * image_size**2, num_classes)
        if mistake == "frozen":
            self.requires_grad_(False)

    def forward(self, images: Tensor) -> Any:
        logits = self.linear(images.flatten(1))
        match self._mistake:
            case "a dictionary":
                return {"logits": logits}
            case "auxiliary logits" if self.training:
                return logits, logits
            case "float64":
                return logits.double()
            case "a class short":
                return logits[:, 1:]
            case "an error":
                raise KeyError("an error")
        return logits


def dataset(mistake: str) -> object:
    """Twenty black images of two classes."""
    images: Any = torch.zeros(20, 1, 8, 8, dtype=torch.uint8)
    labels = torch.arange(20) % 2
    part: Any = Images(images, labels)
    names: Any = ("a", "b")
    match mistake:
        case "a tuple":
            return part, part, names
        case "arrays":
            return Images(images.numpy(), labels)
        case "floats":
            return Images(images / 255, labels)
        case "pairs":
            part = (images, labels)
        case "numbers for names":
            names = (0, 1)
        case "an error":
            raise KeyError("an error")
    return Dataset(part, part, names)
