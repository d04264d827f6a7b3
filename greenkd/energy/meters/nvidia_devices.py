"""Which physical NVIDIA GPUs this process may use, in NVML's own numbering."""

import contextlib
import dataclasses
import importlib
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Gpu:
    """One physical GPU.

    Attributes:
        index: NVML's number.
        uuid: "GPU-...", or "GPU number 0" where it may not be read.
        shared: True where the process sees a MIG slice: NVML measures the whole GPU only, other slices included.
        has_counter: Whether its energy counter can be read.
        has_power: Whether its power can be read.
        problem: Why neither can be read; empty where one can.
    """

    index: int
    uuid: str
    shared: bool = False
    has_counter: bool = False
    has_power: bool = False
    problem: str = ""


@dataclass(frozen=True, slots=True)
class VisibleGpus:
    """The GPUs that this process may use.

    Attributes:
        gpus: Those that can be read.
        warnings: What the reader of the numbers must know: a GPU that cannot be read, a slice that is read as a whole.
    """

    gpus: tuple[Gpu, ...] = ()
    warnings: tuple[str, ...] = ()

    def only(self, can_be_read: Callable[[Gpu], bool], missing: str) -> "VisibleGpus":
        """Returns the GPUs for which `can_be_read` says so, and a warning for each other one.

        Args:
            can_be_read: Tells whether a meter can read a GPU.
            missing: What the others lack, for the warning.
        """
        left_out = tuple(_unread(gpu, missing) for gpu in self.gpus if not can_be_read(gpu))
        return VisibleGpus(tuple(gpu for gpu in self.gpus if can_be_read(gpu)), (*self.warnings, *left_out))


def open_nvml() -> Any | None:
    """Returns the initialised `pynvml` module, or None where there is no driver (found out in a third of a ms)."""
    nvml = importlib.import_module("pynvml")
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return None

    return nvml


def visible_gpus(nvml: Any, environment: Mapping[str, str] = os.environ) -> tuple[Gpu, ...]:
    """Returns the GPUs that this process may use and NVML can read; see `look_for_gpus`."""
    return look_for_gpus(nvml, environment).gpus


def look_for_gpus(nvml: Any | None, environment: Mapping[str, str] = os.environ) -> VisibleGpus:
    """Resolves `CUDA_VISIBLE_DEVICES` the way CUDA does, to physical GPUs without repetition.

    Unset means all; empty, "-1" or any entry that names no GPU ends the list. Entries are numbers, `GPU-<uuid>` or its
    beginning, or `MIG-<uuid>`. Numbers are taken in PCI order: set CUDA_DEVICE_ORDER=PCI_BUS_ID on machines with GPUs
    of different models.

    A GPU that has fallen off the bus, or whose power the driver does not tell, is left out, and the warnings name it
    where this process may use it.

    Args:
        nvml: From `open_nvml`; None for no driver, which is no GPU.
        environment: Where the variable is looked up.
    """
    present = [] if nvml is None else _present(nvml)
    listed = environment.get("CUDA_VISIBLE_DEVICES")
    visible = present if listed is None else _listed(nvml, listed, present)

    unread = tuple(_unread(gpu, gpu.problem) for gpu in visible if gpu.problem)
    readable = tuple(gpu for gpu in visible if not gpu.problem)
    slices = tuple(
        f"gpu: {gpu.uuid} is a MIG slice here; the reading covers the whole GPU" for gpu in readable if gpu.shared
    )
    return VisibleGpus(readable, (*unread, *slices))


def _present(nvml: Any) -> list[Gpu]:
    """Describes every GPU of the machine, whatever state it is in."""
    try:
        count = nvml.nvmlDeviceGetCount()
    except nvml.NVMLError:
        return []

    return [_describe(nvml, index) for index in range(count)]


def _describe(nvml: Any, index: int) -> Gpu:
    """Tries what can be read of one GPU."""
    uuid = f"GPU number {index}"
    try:
        handle = nvml.nvmlDeviceGetHandleByIndex(index)
    except nvml.NVMLError as error:
        return Gpu(index, uuid, problem=_reason(error))

    with contextlib.suppress(nvml.NVMLError):
        uuid = _text(nvml.nvmlDeviceGetUUID(handle))

    no_counter = _refusal(nvml, nvml.nvmlDeviceGetTotalEnergyConsumption, handle)
    no_power = _refusal(nvml, nvml.nvmlDeviceGetPowerUsage, handle)
    return Gpu(
        index,
        uuid,
        has_counter=no_counter is None,
        has_power=no_power is None,
        problem="" if no_counter is None or no_power is None else no_power,
    )


def _refusal(nvml: Any, read: Callable[[Any], object], handle: Any) -> str | None:
    """Returns why a figure of a GPU cannot be read; None if it can."""
    try:
        read(handle)
    except nvml.NVMLError as error:
        return _reason(error)

    return None


def _reason(error: Exception) -> str:
    return str(error) or type(error).__name__


def _unread(gpu: Gpu, reason: str) -> str:
    return f"gpu: {gpu.uuid} cannot be read ({reason}); what it uses is in no figure"


def _listed(nvml: Any, listed: str, present: list[Gpu]) -> list[Gpu]:
    """Returns the GPUs that `CUDA_VISIBLE_DEVICES` lists, up to the first entry that names none."""
    visible: dict[int, Gpu] = {}
    for entry in listed.split(","):
        gpu = _resolve(nvml, entry.strip(), present)
        if gpu is None:
            break
        visible.setdefault(gpu.index, gpu)

    return list(visible.values())


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
            return dataclasses.replace(gpu, shared=True)

    return None


def _text(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value  # nvidia-ml-py before 12 gave bytes
