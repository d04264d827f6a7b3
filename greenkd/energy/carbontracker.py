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
import threading
from typing import Annotated, Any

from pydantic import Field

from greenkd.energy.clock import Clock
from greenkd.energy.gpus import open_nvml, visible_gpus
from greenkd.energy.meter import ABSENT, Component, Part, Reading
from greenkd.records import Source


class CarbonTracker:
    """Watts of CarbonTracker's components times seconds.

    Without RAPL the processor draws half its table TDP, whatever it does: a constant for the whole machine.

    Args:
        interval_s: Time between two readings of sensors; constants need none.
        clock: For tests.
    """

    name = "carbontracker"
    scope = "machine"

    def __init__(self, interval_s: Annotated[float, Field(gt=0, le=60)] = 1.0, clock: Clock | None = None) -> None:
        self.version = importlib.metadata.version("carbontracker")
        self._clock = clock or Clock()
        self._interval_s = interval_s
        self._cpu, self._gpu = _components()
        kind = type(self._cpu).__name__
        constant = kind == "GenericCPU"
        self._cpu_source = Source.CONSTANT if constant else Source.MEASURED
        self.method = "tdp_constant" if constant else "sampled_power"
        self._gpu_numbers, self._warnings = _gpu_numbers()
        parts: set[Part] = {"cpu"} if self._gpu is None else {"cpu", "gpu"}
        self.expected: frozenset[Part] = frozenset(parts)
        self.shared: frozenset[Part] = frozenset(parts)
        polled = not constant or self._gpu is not None
        # RAPL is read over a second by CarbonTracker itself, on top of the pause between readings.
        self.resolution_s = interval_s + (0.0 if constant else 1.0) if polled else 0.0
        self.min_window_s = 5 * self.resolution_s
        self.sensor = f"{kind} {', '.join(self._cpu.devices())}" + ("" if self._gpu is None else ", NVML power")
        self._lock = threading.Lock()
        self._joules = {"cpu": 0.0, "gpu": 0.0}
        self._failure: Exception | None = None
        self._watts = self._read_watts()
        self._at = self._clock.seconds()
        self._closing = threading.Event()
        if polled:
            threading.Thread(target=self._poll, name="greenkd-carbontracker", daemon=True).start()

    def snapshot(self) -> Reading:
        """Adds up watts times seconds until now.

        Raises:
            Exception: Whatever CarbonTracker's component raised since the last snapshot.
        """
        with self._lock:
            failure, self._failure = self._failure, None
            if failure is not None:
                raise failure
            self._integrate()
            return Reading(
                cpu=Component(self._joules["cpu"], self._cpu_source),
                gpu=ABSENT if self._gpu is None else Component(self._joules["gpu"], Source.MEASURED),
                warnings=self._warnings,
            )

    def close(self) -> None:
        """Ends the reading of sensors."""
        self._closing.set()

    def _integrate(self) -> None:
        now = self._clock.seconds()
        for part, watts in self._watts.items():
            self._joules[part] += watts * (now - self._at)
        self._at = now

    def _poll(self) -> None:
        while not self._closing.wait(self._interval_s):
            try:
                watts = self._read_watts()
            except Exception as error:  # handed to the next snapshot, which puts it on the row
                with self._lock:
                    self._failure = error
                continue
            with self._lock:
                self._integrate()
                self._watts = watts

    def _read_watts(self) -> dict[str, float]:
        watts = {"cpu": float(sum(self._cpu.power_usage()))}
        if self._gpu is not None:
            readings = self._gpu.power_usage()
            numbers = self._gpu_numbers
            # CarbonTracker follows CUDA_VISIBLE_DEVICES if it holds numbers, else it reads every GPU.
            chosen = readings if len(readings) == len(numbers) else [readings[number] for number in numbers]
            watts["gpu"] = float(sum(chosen))
        return watts


def _components() -> tuple[Any, Any | None]:
    """Returns CarbonTracker's handler of the processor, and of the GPUs if this process may use any."""
    component = importlib.import_module("carbontracker.components.component")
    # Its loggers print to standard output whatever the verbosity.
    logging.getLogger("carbontracker.root.err").setLevel(logging.CRITICAL + 1)
    nvml = open_nvml()
    names = ["cpu"] if nvml is None or not visible_gpus(nvml) else ["cpu", "gpu"]
    handlers = []
    for name in names:
        handler = component.Component(name=name, pids=[os.getpid()], devices_by_pid=False, logger=None).handler
        handler.init()
        handlers.append(handler)
    return handlers[0], handlers[1] if len(handlers) > 1 else None


def _gpu_numbers() -> tuple[list[int], tuple[str, ...]]:
    nvml = open_nvml()
    gpus = () if nvml is None else visible_gpus(nvml)
    warnings = tuple(
        f"gpu: {gpu.uuid} is a MIG slice here; the reading covers the whole GPU" for gpu in gpus if gpu.shared
    )
    return [gpu.index for gpu in gpus], warnings
