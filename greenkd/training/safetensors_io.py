"""Weights and checkpoints as safetensors: read without unpickling, written to a temporary name and renamed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

from greenkd.errors import StorageError
from greenkd.records import not_written, write_bytes

# The entry of a file's metadata that says it is ours: JSON, the digest among it.
_OURS = "greenkd"


def save_tensors(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Writes tensors and JSON metadata; a reader sees the old file or the new one, never half of one.

    Only one process at a time writes a path (its caller holds a lock), so what others left half-written is removed. A
    link in the place of the file is not written through.

    Raises:
        StorageError: The disk is full, the folder cannot be written, or a link lies there.
    """
    flat = _separate({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()})
    header = {_OURS: json.dumps(meta | {"digest": _digest(flat, meta)})}

    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise not_written(path, error) from error
    write_bytes(path, safetensors.torch.save(flat, header))


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Reads what `save_tensors` wrote.

    Raises:
        StorageError: The file is missing, a link, cut short, or its content does not match its digest.
    """
    if path.is_symlink():
        raise StorageError(f"{path}: is a link to {path.readlink()}; put the file itself there, or remove it")

    tensors, meta = load_foreign_tensors(path)
    if meta is None:
        raise StorageError(f"{path}: its header holds no digest; the file is damaged, or another program's")
    return tensors, meta


def load_foreign_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any] | None]:
    """Reads safetensors that a user brings: ours, or another program's; a link is followed.

    Returns:
        The tensors, and our metadata; None where another program wrote the file.

    Raises:
        StorageError: The file is missing, cut short, or ours and does not match its digest.
    """
    try:
        with safetensors.safe_open(path, framework="pt") as file:
            header = (file.metadata() or {}).get(_OURS)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  (not a mapping)
    except (OSError, safetensors.SafetensorError) as error:
        raise StorageError(f"{path}: cannot be read ({error})") from error
    if header is None:
        return tensors, None

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


def _separate(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Copies tensors that share memory with another one (tied weights): safetensors refuses those."""
    seen: set[int] = set()
    separate = {}
    for name, tensor in tensors.items():
        storage = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.clone() if storage in seen else tensor
        seen.add(storage)
    return separate


def _digest(tensors: dict[str, Tensor], meta: dict[str, Any]) -> str:
    digest = hashlib.blake2b(json.dumps(meta, sort_keys=True).encode(), digest_size=16)
    for name in sorted(tensors):
        digest.update(f"{name} {tensors[name].dtype} {list(tensors[name].shape)}".encode())
        digest.update(tensors[name].reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
