"""CarbonTracker as a meter: its power readings, integrated by us.

CarbonTracker's own tracker looks the machine's place up on the internet, averages over devices where it should add,
returns predictions as actuals, multiplies by a fixed PUE of 1.58 and ends the process when a component is missing. All
of that is above its components; the components themselves (which watts does this processor, this GPU draw?) are what is
used here. With one device the energy equals what CarbonTracker reports, divided by its PUE.
"""

import importlib
import importlib.metadata
import logging
import os
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from greenkd.energy.clock import Clock
from greenkd.energy.meters.base import ABSENT, MACHINE, Component, Part, Reading
from greenkd.energy.meters.nvidia_devices import open_nvml, slice_warnings, visible_gpus
from greenkd.energy.meters.power_sampler import PowerSampler
from greenkd.records import Source


class CarbonTracker:
    """Watts of CarbonTracker's components times seconds.

    Without RAPL the processor draws half its table TDP, whatever it does: a constant for the whole machine.

    Args:
        interval_s: Time between two readings of sensors; constants need none.
        clock: Another clock than the process's, for tests.
    """

    name = "carbontracker"
    scope = "machine"

    def __init__(self, interval_s: Annotated[float, Field(gt=0, le=60)] = 1.0, clock: Clock | None = None) -> None:
        self.version = importlib.metadata.version("carbontracker")

        # What it would read on this machine
        nvml = open_nvml()
        gpus = () if nvml is None else visible_gpus(nvml)
        self._gpu_numbers = [gpu.index for gpu in gpus]
        self._warnings = slice_warnings(gpus)
        self._cpu, self._gpu = _handler("cpu"), _handler("gpu") if gpus else None
        kind = type(self._cpu).__name__
        constant = kind == "GenericCPU"

        # How its figures come about
        self.method = "tdp_constant" if constant else "sampled_power"
        self.sensor = f"{kind} {', '.join(self._cpu.devices())}" + ("" if self._gpu is None else ", NVML power")
        self._cpu_source = Source.CONSTANT if constant else Source.MEASURED
        self.expected: frozenset[Part] = frozenset({"cpu", "gpu"} if gpus else {"cpu"})
        self.shared: Mapping[Part, frozenset[str]] = {"cpu": MACHINE, "gpu": frozenset(gpu.uuid for gpu in gpus)}

        # How often it may be read
        polled = not constant or bool(gpus)
        # RAPL is read over a second by CarbonTracker itself, on top of the pause between readings.
        self.resolution_s = interval_s + (0.0 if constant else 1.0) if polled else 0.0
        self.min_window_s = max(1.0, 5 * self.resolution_s)
        self._sampler = PowerSampler(self._read_watts, interval_s if polled else None, clock)

    def snapshot(self) -> Reading:
        """Adds up watts times seconds until now.

        Raises:
            Exception: Whatever CarbonTracker's component raised since the last snapshot.
        """
        joules = self._sampler.joules()

        return Reading(
            cpu=Component(joules["cpu"], self._cpu_source),
            gpu=Component(joules["gpu"], Source.MEASURED) if "gpu" in joules else ABSENT,
            warnings=self._warnings,
        )

    def close(self) -> None:
        """Ends the reading of sensors."""
        self._sampler.close()

    def _read_watts(self) -> dict[str, float]:
        watts = {"cpu": float(sum(self._cpu.power_usage()))}

        if self._gpu is not None:
            readings = self._gpu.power_usage()
            numbers = self._gpu_numbers
            # CarbonTracker follows CUDA_VISIBLE_DEVICES if it holds numbers, else it reads every GPU.
            chosen = readings if len(readings) == len(numbers) else [readings[number] for number in numbers]
            watts["gpu"] = float(sum(chosen))

        return watts


def _handler(part: Part) -> Any:
    """Returns the object that CarbonTracker would read a part of this machine with, ready to be read."""
    component = importlib.import_module("carbontracker.components.component")
    # Its loggers print to standard output whatever the verbosity.
    logging.getLogger("carbontracker.root.err").setLevel(logging.CRITICAL + 1)

    handler = component.Component(name=part, pids=[os.getpid()], devices_by_pid=False, logger=None).handler
    handler.init()
    return handler
