"""Weights and checkpoints as safetensors: read without unpickling, written to a temporary name and renamed."""

import contextlib
import hashlib
import json
import os
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor, nn

from greenkd.errors import ConfigError, StorageError


def save_tensors(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Writes tensors and JSON metadata; a reader sees the old file or the new one, never half of one.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    flat = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    header = {"greenkd": json.dumps(meta | {"digest": _digest(flat)})}
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        safetensors.torch.save_file(flat, temporary, header)
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except (OSError, safetensors.SafetensorError) as error:
        with contextlib.suppress(OSError):  # its folder may not even exist
            temporary.unlink(missing_ok=True)
        raise StorageError(f"{path}: cannot be written ({error}); free space or choose another folder") from error


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what `save_tensors` wrote.

    Raises:
        StorageError: The file is missing, cut short, or its content does not match its digest.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get("greenkd")
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (OSError, safetensors.SafetensorError) as error:
        raise StorageError(f"{path}: cannot be read ({error})") from error
    meta: dict[str, Any] = json.loads(header) if header else {}
    if meta and meta.pop("digest") != _digest(tensors):
        raise StorageError(f"{path}: its content does not match its digest; the file is damaged")
    return tensors, meta


def load_network(network: nn.Module, tensors: dict[str, Tensor], where: str) -> None:
    """Copies weights into a network.

    Raises:
        ConfigError: Names or shapes differ, as with a teacher for another number of classes.
    """
    own = network.state_dict()
    for name, tensor in own.items():
        if name not in tensors:
            raise ConfigError(f"{where}: has no {name}; the weights are of another architecture")
        if tensors[name].shape != tensor.shape:
            raise ConfigError(
                f"{where}: {name} has shape {list(tensors[name].shape)}, this data set and network need "
                f"{list(tensor.shape)}; the weights are of another number of classes, channels or width"
            )
    network.load_state_dict({name: tensors[name] for name in own})


def _digest(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for name in sorted(tensors):
        digest.update(name.encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
