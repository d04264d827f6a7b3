"""Which physical NVIDIA GPUs this process may use, in NVML's own numbering."""

import importlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gpu:
    """One physical GPU.

    Attributes:
        index: NVML's number.
        uuid: "GPU-...".
        shared: True where the process sees a MIG slice: NVML measures the whole GPU only, other slices included.
    """

    index: int
    uuid: str
    shared: bool


def open_nvml() -> Any | None:
    """Returns the initialised `pynvml` module, or None where there is no driver (found out in a third of a ms)."""
    nvml = importlib.import_module("pynvml")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None

    return nvml


def visible_gpus(nvml: Any, environment: Mapping[str, str] = os.environ) -> tuple[Gpu, ...]:
    """Resolves `CUDA_VISIBLE_DEVICES` the way CUDA does, to physical GPUs without repetition.

    Unset means all; empty, "-1" or any entry that names no GPU ends the list. Entries are numbers, `GPU-<uuid>` or its
    beginning, or `MIG-<uuid>`. Numbers are taken in PCI order: set CUDA_DEVICE_ORDER=PCI_BUS_ID on machines with GPUs
    of different models.

    Args:
        nvml: From `open_nvml`.
        environment: Where the variable is looked up.
    """
    present = []
    for index in range(nvml.nvmlDeviceGetCount()):
        uuid = _text(nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetHandleByIndex(index)))
        present.append(Gpu(index, uuid, shared=False))

    listed = environment.get("CUDA_VISIBLE_DEVICES")
    if listed is None:
        return tuple(present)

    visible: dict[int, Gpu] = {}
    for entry in listed.split(","):
        gpu = _resolve(nvml, entry.strip(), present)
        if gpu is None:
            break
        visible.setdefault(gpu.index, gpu)

    return tuple(visible.values())


def slice_warnings(gpus: tuple[Gpu, ...]) -> tuple[str, ...]:
    """Returns a warning for each GPU of which this process has a slice only."""
    return tuple(f"gpu: {gpu.uuid} is a MIG slice here; the reading covers the whole GPU" for gpu in gpus if gpu.shared)


def _resolve(nvml: Any, entry: str, present: list[Gpu]) -> Gpu | None:
    """Returns the GPU that one entry of the variable names; None if it names none, or several."""
    if entry.isdigit():
        return present[int(entry)] if int(entry) < len(present) else None
    if entry.startswith("MIG-"):
        return _parent(nvml, entry, present)

    matching = [gpu for gpu in present if entry and gpu.uuid.startswith(entry)]
    return matching[0] if len(matching) == 1 else None


def _parent(nvml: Any, entry: str, present: list[Gpu]) -> Gpu | None:
    """Returns the GPU that a MIG slice is part of."""
    if entry.startswith("MIG-GPU-"):  # the older form names its parent: MIG-GPU-<uuid>/<instance>/<instance>
        uuid = entry.removeprefix("MIG-").partition("/")[0]
    else:
        try:
            instance = nvml.nvmlDeviceGetHandleByUUID(entry)
            uuid = _text(nvml.nvmlDeviceGetUUID(nvml.nvmlDeviceGetDeviceHandleFromMigDeviceHandle(instance)))
        except nvml.NVMLError:
            return None

    for gpu in present:
        if gpu.uuid == uuid:
            return Gpu(gpu.index, gpu.uuid, shared=True)

    return None


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value  # nvidia-ml-py before 12 gave bytes
