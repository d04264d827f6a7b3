"""Reads tensors from files that other programs wrote, without running anything that is in them."""

import argparse
import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from greenkd.errors import ConfigError, StorageError
from greenkd.training.safetensors_io import load_foreign_tensors
from greenkd.training.weights_file import WeightsFormat, recognise, refusal

# Under which keys training programs keep a network's state, the likeliest first.
_CONTAINERS = ("state_dict", "model_state_dict", "model_state", "model", "net", "network", "module", "weights")
_DEPTH = 4

# What stands beside the tensors in many checkpoints and holds values alone: parsed options, and NumPy's numbers by the
# names of its versions 1 and 2.
_SCALAR = np.float64(0).__reduce__()[0]
_HARMLESS: list[Any] = [
    argparse.Namespace,
    np.dtype,
    (_SCALAR, "numpy.core.multiarray.scalar"),
    (_SCALAR, "numpy._core.multiarray.scalar"),
    *{type(np.dtype(kind)) for kind in (np.float32, np.float64, np.int32, np.int64)},
]


class ForeignTensors(NamedTuple):
    """What a file holds.

    Attributes:
        tensors: By the names that the other program gave them.
        origin: Where they stood in the file, for people.
    """

    tensors: dict[str, Tensor]
    origin: str


def read_foreign(path: Path) -> ForeignTensors:
    """Reads safetensors, or a file of torch.save with a state dict in it or in one of its entries.

    Raises:
        ConfigError: The file holds something else, or objects that only running its code could make.
        StorageError: It is missing or damaged.
    """
    kind = recognise(path)
    if kind is WeightsFormat.SAFETENSORS:
        return ForeignTensors(load_foreign_tensors(path)[0], "safetensors")
    if kind is not WeightsFormat.TORCH:
        raise refusal(path, kind)

    content: Any = _load(path)
    keys: list[str] = []
    others: list[str] = []  # such as the average over training that stands beside the last state
    while (inner := _container(content)) is not None and len(keys) < _DEPTH:
        others += [key for key in _entries_with_tensors(content) if key != inner]
        keys.append(inner)
        content = content[inner]

    if isinstance(content, Mapping):
        tensors = {str(name): value.detach() for name, value in content.items() if isinstance(value, Tensor)}
        if tensors:
            entry = f"its entry {'.'.join(keys)}" if keys else "the state dict in it"
            left = f" (not taken: {', '.join(others)})" if others else ""
            return ForeignTensors(tensors, f"a file of torch.save, {entry}{left}")

    held = ", ".join(map(str, content)) if isinstance(content, Mapping) else type(content).__name__
    raise ConfigError(f"{path}: no tensors by name are in it, but {held or 'nothing'}; save network.state_dict()")


def _load(path: Path) -> object:
    """Reads a file of torch.save by torch's weights-only reader, which makes tensors and plain values, nothing else."""
    if _is_torchscript(path):
        raise ConfigError(
            f"{path}: is a TorchScript program; save the weights in it: "
            "torch.save(torch.jit.load(<file>).state_dict(), <another>)"
        )

    try:
        with torch.serialization.safe_globals(_HARMLESS):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        reason = str(error)
        if "GLOBAL" not in reason and "global" not in reason:
            raise StorageError(f"{path}: is damaged, or no file of torch.save") from error
        raise ConfigError(
            f"{path}: holds Python objects besides tensors, and reading those would run code from the file. "
            "Where you trust it, in the program that made it: torch.save(network.state_dict(), <file>)"
        ) from error
    except (
        *(RuntimeError, EOFError, ValueError, LookupError, TypeError, AttributeError, AssertionError),
        *(OverflowError, MemoryError, OSError, zipfile.BadZipFile),
    ) as error:
        # What reading a pickle, or an archive, with wrong bytes in it can end in.
        reason = (str(error).splitlines() or [""])[0]
        raise StorageError(f"{path}: is damaged ({reason or type(error).__name__})") from error


def _is_torchscript(path: Path) -> bool:
    """Tells a program of torch.jit.save, which has its constants beside its parameters, from a file of torch.save."""
    if not zipfile.is_zipfile(path):
        return False
    with zipfile.ZipFile(path) as archive:
        return any(name.endswith("/constants.pkl") for name in archive.namelist())


def _container(content: object) -> str | None:
    """Returns the key under which a network's state lies; None if the content itself is one, or holds none."""
    if not isinstance(content, Mapping):
        return None

    inner = [key for key, value in content.items() if isinstance(key, str) and isinstance(value, Mapping)]
    for key in _CONTAINERS:
        if key in inner:
            return key

    if any(isinstance(value, Tensor) for value in content.values()):
        return None
    holding = _entries_with_tensors(content) or [key for key in inner if _entries_with_tensors(content[key])]
    return holding[0] if len(holding) == 1 else None


def _entries_with_tensors(content: Mapping[Any, Any]) -> list[str]:
    """Returns the entries that hold tensors themselves."""
    return [
        key
        for key, value in content.items()
        if isinstance(key, str)
        and isinstance(value, Mapping)
        and any(isinstance(tensor, Tensor) for tensor in value.values())
    ]
