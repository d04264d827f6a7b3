"""The images of a round's best step."""

import torch
from torch import Tensor


class BestStep:
    """Keeps what came with the lowest loss, without waiting for the device.

    Attributes:
        tensors: As they were at that step.
    """

    def __init__(self) -> None:
        self.tensors: tuple[Tensor, ...] = ()
        self._loss: Tensor | None = None

    def take(self, loss: Tensor, *tensors: Tensor) -> None:
        """Keeps the tensors, without their gradients, if the loss is lower than all before."""
        loss, tensors = loss.detach(), tuple(tensor.detach().clone() for tensor in tensors)
        if self._loss is None:
            self._loss, self.tensors = loss, tensors
            return

        is_better = loss < self._loss
        self._loss = torch.where(is_better, loss, self._loss)
        self.tensors = tuple(torch.where(is_better, new, old) for new, old in zip(tensors, self.tensors, strict=True))
