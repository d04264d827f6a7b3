"""Weights and checkpoints as safetensors: read without unpickling, written to a temporary name and renamed."""

import contextlib
import errno
import hashlib
import json
import os
import re
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from greenkd.errors import StorageError
from greenkd.records import not_written


def save_tensors(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Writes tensors and JSON metadata; a reader sees the old file or the new one, never half of one.

    Only one process at a time writes a path (its caller holds a lock), so what others left half-written is removed.

    Raises:
        StorageError: The disk is full or the folder cannot be written.
    """
    flat = _separate({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    header = {"greenkd": json.dumps(meta | {"digest": _digest(flat, meta)})}

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for leftover in path.parent.glob(f".{path.name}.*.tmp"):
            leftover.unlink(missing_ok=True)
        safetensors.torch.save_file(flat, temporary, header)
        _sync(temporary)
        temporary.replace(path)
        _sync(path.parent)
    except (OSError, safetensors.SafetensorError) as error:
        with contextlib.suppress(OSError):  # its folder may not even exist
            temporary.unlink(missing_ok=True)
        refused = _as_os_error(error)
        raise not_written(path, refused) from refused


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
    if header is None:
        return tensors, {}  # weights that somebody else's program wrote

    # Ours carry a digest.
    try:
        meta: dict[str, Any] = json.loads(header)
        digest = meta.pop("digest")
    except (ValueError, KeyError, AttributeError, TypeError) as error:
        raise StorageError(f"{path}: its header is damaged") from error
    if digest != _digest(tensors, meta):
        raise StorageError(f"{path}: its content does not match its digest; the file is damaged")
    return tensors, meta


def set_aside(path: Path) -> Path:
    """Renames a damaged file, so that it is neither read nor overwritten again.

    Returns:
        Where it lies now.

    Raises:
        StorageError: The folder cannot be written.
    """
    aside = path.with_name(f"{path.name}.damaged")
    try:
        return path.replace(aside)
    except OSError as error:
        raise not_written(aside, error) from error


def _as_os_error(error: Exception) -> OSError:
    """Returns the operating system's error; safetensors, which is written in Rust, puts its number into the text."""
    if isinstance(error, OSError):
        return error
    number = re.search(r"\(os error (\d+)\)", str(error))
    return OSError(errno.EIO, str(error)) if number is None else OSError(int(number[1]), os.strerror(int(number[1])))


def _separate(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies tensors that share memory with another one (tied weights): safetensors refuses those."""
    seen: set[int] = set()
    separate = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.clone() if storage in seen else tensor
        seen.add(storage)
    return separate


def _sync(path: Path) -> None:
    """Waits until a file, or the names in a folder, are on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _digest(tensors: dict[str, Tensor], meta: dict[str, Any]) -> str:
    digest = hashlib.blake2b(json.dumps(meta, sort_keys=True).encode(), digest_size=16)
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {list(tensors[name].shape)}".encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
