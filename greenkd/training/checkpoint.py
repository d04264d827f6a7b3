"""Checkpoints of a running training: all tensors and the position, in safetensors, the previous one kept meanwhile."""

import dataclasses
import logging
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from greenkd.errors import StorageError
from greenkd.training.safetensors_io import load_tensors, save_tensors, set_aside

log = logging.getLogger(__name__)

# Of the training time, spent on writing checkpoints.
MAX_SHARE = 0.02

# What a checkpoint file holds besides modules and optimiser. Files of greenkd 0.1 have the same names.
_LOSSES, _HITS, _TAUS = "position.losses", "position.correct", "position.taus"
_GROWTH = "growth."


@dataclasses.dataclass
class Position:
    """Where a training stands, and what the running epoch has accumulated.

    Attributes:
        epoch: Zero-based epoch that runs, or `epochs` when the training is complete.
        step: Steps of that epoch that are done.
        losses: Loss of every done step of that epoch, shape [steps].
        hits: Training images that were right so far in that epoch, 0-dim int64.
        duration_s: Seconds spent on that epoch so far, in earlier attempts too.
        last: Train loss, validation loss and validation score of the last finished epoch; NaN before.
        taus: Mean and standard deviation of the student's τ within the batch of every done step, shape [2, steps];
            None where all samples share the schedule's τ.
        growth: Images that were made within this training, and what later ones depend on; else empty.
    """

    epoch: int
    step: int
    losses: Tensor
    hits: Tensor
    duration_s: float = 0.0
    last: tuple[float, float, float] = (float("nan"),) * 3
    taus: Tensor | None = None
    growth: dict[str, Tensor] = dataclasses.field(default_factory=dict)


class Checkpointer:
    """Writes and reads the checkpoints of one training.

    Args:
        path: The checkpoint file; the one before it lies beside it as `<name>.previous`.
        every_s: Seconds between two checkpoints; more where writing one takes more than 2 % of that.
        of: What is being trained, a trial's parameters for instance. A checkpoint of anything else is not taken up.
    """

    def __init__(self, path: Path, every_s: float, of: Mapping[str, object]) -> None:
        self._path = path
        self._previous = path.with_name(f"{path.name}.previous")
        self._every_s = every_s
        self._of = dict(of)
        self._written_at = time.monotonic()

    def due(self) -> bool:
        """Tells whether the interval has passed."""
        return time.monotonic() - self._written_at >= self._every_s

    def save(self, modules: dict[str, nn.Module], optimizer: torch.optim.Optimizer, position: Position) -> None:
        """Writes one checkpoint; the one before stays until the new one is complete."""
        # What there is to keep
        tensors = {f"{name}.{key}": value for name, module in modules.items() for key, value in state(module).items()}
        for index, slot in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{index}.{key}": value for key, value in slot.items() if value is not None}
        tensors |= {_LOSSES: position.losses, _HITS: position.hits}
        if position.taus is not None:
            tensors[_TAUS] = position.taus
        tensors |= {f"{_GROWTH}{name}": value for name, value in position.growth.items()}
        fields = {
            "of": self._of,
            "epoch": position.epoch,
            "step": position.step,
            "duration_s": position.duration_s,
            # float.hex keeps every bit, and NaN, which JSON has not.
            "last": [value.hex() for value in position.last],
        }

        # Writing it, and how long that took
        started = time.monotonic()
        if self._path.exists():
            self._path.replace(self._previous)
        save_tensors(self._path, tensors, fields)
        self._written_at = time.monotonic()
        self._every_s = max(self._every_s, (self._written_at - started) / MAX_SHARE)

    def load(
        self, modules: dict[str, nn.Module], optimizer: torch.optim.Optimizer, device: torch.device
    ) -> Position | None:
        """Restores the newest readable checkpoint into the modules and the optimiser; None if there is none."""
        for path in (self._path, self._previous):
            if not path.exists():
                continue
            try:
                tensors, fields = load_tensors(path)
                self._check(tensors, fields, modules, optimizer)
            except StorageError as error:
                log.warning("%s; set aside as %s", error, set_aside(path).name)
                continue
            return _restore(tensors, fields, modules, optimizer, device)
        return None

    def _check(
        self,
        tensors: dict[str, Tensor],
        fields: dict[str, Any],
        modules: dict[str, nn.Module],
        optimizer: torch.optim.Optimizer,
    ) -> None:
        """Refuses what does not fit, before anything is overwritten: a training never starts from half a checkpoint."""
        if fields.get("of") != self._of:
            raise StorageError(f"{self._path}: is a checkpoint of {fields.get('of')}, not of {self._of}")

        expected = {f"{name}.{key}": value for name, module in modules.items() for key, value in state(module).items()}
        for index, parameter in enumerate(_parameters(optimizer)):
            expected |= dict.fromkeys((key for key in tensors if key.startswith(f"optimizer.{index}.")), parameter)

        position = {key for key in tensors if key in (_LOSSES, _HITS, _TAUS) or key.startswith(_GROWTH)}
        if expected.keys() != tensors.keys() - position:
            raise StorageError(f"{self._path}: is a checkpoint of another network, objective or optimiser")
        if any(tensors[name].shape != value.shape for name, value in expected.items()):
            raise StorageError(f"{self._path}: is a checkpoint of a network of another size")

    def remove(self) -> None:
        """Deletes the checkpoints of a finished training."""
        self._path.unlink(missing_ok=True)
        self._previous.unlink(missing_ok=True)


def state(module: nn.Module) -> dict[str, Tensor]:
    """Returns a module's parameters and buffers by name."""
    tensors: dict[str, Tensor] = module.state_dict()
    return tensors


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _restore(
    tensors: dict[str, Tensor],
    fields: dict[str, Any],
    modules: dict[str, nn.Module],
    optimizer: torch.optim.Optimizer,
    device: torch.device,
) -> Position:
    for name, module in modules.items():
        prefix = f"{name}."
        module.load_state_dict({k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)})

    parameters = _parameters(optimizer)
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith("optimizer."):
            _, index, slot = key.split(".", 2)
            # The fused optimiser walks memory: its buffers must lie as their parameters do (channels-last), while
            # safetensors stores everything contiguous.
            slots.setdefault(int(index), {})[slot] = torch.empty_like(parameters[int(index)]).copy_(value)
    optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})

    train_loss, val_loss, val_score = (float.fromhex(value) for value in fields["last"])
    return Position(
        epoch=fields["epoch"],
        step=fields["step"],
        losses=tensors[_LOSSES].to(device),
        hits=tensors[_HITS].to(device),
        duration_s=fields["duration_s"],
        last=(train_loss, val_loss, val_score),
        taus=tensors[_TAUS].to(device) if _TAUS in tensors else None,
        growth={key.removeprefix(_GROWTH): value for key, value in tensors.items() if key.startswith(_GROWTH)},
    )
