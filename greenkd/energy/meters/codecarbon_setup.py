"""What is changed inside CodeCarbon while its tracker is made and started, so that nothing but our arguments counts.

CodeCarbon reads configuration files and environment variables, opens every GPU of the machine, asks a slow package for
the processor's name, and divides CPU seconds by those of the clock on the wall.
"""

import configparser
import contextlib
import importlib
import logging
import time
import types
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from greenkd.energy.machine import processor_name
from greenkd.energy.meters.nvidia_devices import Gpu

_log = logging.getLogger(__name__)

_CONFIGURATION = ".codecarbon.config"
_named: set[Path] = set()  # broken configuration files that the log of this process has named


@contextlib.contextmanager
def own_settings_only(nvml: Any | None, gpus: Sequence[Gpu]) -> Iterator[None]:
    """Lets a tracker that is made and started in the `with` block see our settings and our GPUs alone.

    Args:
        nvml: From `open_nvml`.
        gpus: The GPUs it may open; it numbers them from 0, in this order.
    """
    _name_broken_configurations()
    _count_on_the_monotonic_clock()

    with contextlib.ExitStack() as changes:
        changes.enter_context(_replaced("codecarbon.emissions_tracker", "get_hierarchical_config", dict))

        name = processor_name()
        if name is not None:
            # It starts a process that computes for a second, and finds the same name.
            changes.enter_context(_replaced("codecarbon.core.cpu", "detect_cpu_model", lambda: name))
        if nvml is not None:
            changes.enter_context(_replaced("codecarbon.core.gpu_nvidia", "pynvml", _only(nvml, gpus)))

        yield


@contextlib.contextmanager
def _replaced(module_name: str, attribute: str, substitute: object) -> Iterator[None]:
    """Puts another object in the place of a module's, until the block's end."""
    module: Any = importlib.import_module(module_name)
    original = getattr(module, attribute)

    setattr(module, attribute, substitute)
    try:
        yield
    finally:
        setattr(module, attribute, original)


def _only(nvml: Any, gpus: Sequence[Gpu]) -> types.SimpleNamespace:
    """Returns NVML as it would be on a machine that has these GPUs only.

    CodeCarbon opens every GPU, also those that this process may not use, and ends at the first one that is lost.
    """
    handles = [nvml.nvmlDeviceGetHandleByIndex(gpu.index) for gpu in gpus]

    def name(handle: Any) -> Any:
        try:
            return nvml.nvmlDeviceGetName(handle)
        except nvml.NVMLError:
            return "GPU of unknown name"

    ours = {
        "nvmlDeviceGetCount": lambda: len(handles),
        "nvmlDeviceGetHandleByIndex": lambda index: handles[index],
        "nvmlDeviceGetUUID": lambda handle: gpus[handles.index(handle)].uuid,
        "nvmlDeviceGetName": name,
    }
    return types.SimpleNamespace(**{**vars(nvml), **ours})


def _count_on_the_monotonic_clock() -> None:
    """Takes the clock on the wall from CodeCarbon's load model, which divides by the seconds between two readings.

    A machine that slept in between, or a clock that was set, would change the processor's energy.
    """
    hardware: Any = importlib.import_module("codecarbon.external.hardware")
    hardware.time = types.SimpleNamespace(**{**vars(time), "time": time.monotonic})


def _name_broken_configurations() -> None:
    """Says once which configuration files CodeCarbon would fail at; here they are not read."""
    folders = [Path.cwd()]
    with contextlib.suppress(RuntimeError):  # no home is known
        folders.insert(0, Path.home())

    for file in (folder / _CONFIGURATION for folder in folders):
        if not file.is_file():  # reading a pipe would wait for ever
            continue
        try:
            parser = configparser.ConfigParser()
            parser.read(file)
            if parser.has_section("codecarbon"):
                dict(parser["codecarbon"])
        except (configparser.Error, UnicodeDecodeError) as error:
            if file not in _named:
                first_line = str(error).splitlines()[0]
                _log.warning("%s: is broken (%s); greenkd does not read it, so it changes nothing", file, first_line)
                _named.add(file)
