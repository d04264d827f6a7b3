"""Whether a file of weights is what was written, found out without torch: the digest of `safetensors_io`, from bytes.

Format of safetensors (https://github.com/huggingface/safetensors): eight bytes with the length of a JSON header, the
header, the tensors' bytes. The header names type, shape and place of each tensor; under `__metadata__` ours holds the
digest, over all metadata, names, types, shapes and bytes.
"""

import hashlib
import json
import struct
from pathlib import Path
from typing import Any

from greenkd.records.files import read_bytes

# The names that torch gives to the types.
_TORCH_NAMES = {
    "F64": "float64",
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "U8": "uint8",
    "BOOL": "bool",
}


def weights_problem(path: Path) -> str | None:
    """Holds a file of weights that greenkd wrote against its digest.

    Args:
        path: The file.

    Returns:
        What is wrong; None if it is what was written.

    Raises:
        RecordError: It is a link, or no file.
        OSError: It cannot be read.
    """
    content = read_bytes(path)
    if content is None:
        return "has vanished"

    try:
        (length,) = struct.unpack_from("<Q", content)
        header = json.loads(content[8 : 8 + length])
        meta = json.loads(header.pop("__metadata__")["greenkd"])
        found = _digest(header, content[8 + length :], meta)
    except (struct.error, ValueError, KeyError, TypeError, AttributeError) as error:
        return f"was changed since it was written: its header is damaged ({type(error).__name__})"

    if found != meta.get("digest"):
        return "was changed since it was written: its content does not match its digest"
    return None


def _digest(header: dict[str, Any], data: bytes, meta: dict[str, Any]) -> str:
    """Returns the digest of tensors, as `greenkd.training.safetensors_io` forms it."""
    without = {key: value for key, value in meta.items() if key != "digest"}
    digest = hashlib.blake2b(json.dumps(without, sort_keys=True).encode(), digest_size=16)

    for name in sorted(header):
        entry = header[name]
        begin, end = entry["data_offsets"]
        digest.update(f"{name} torch.{_TORCH_NAMES[entry['dtype']]} {list(entry['shape'])}".encode())
        digest.update(data[begin:end])
    return digest.hexdigest()
