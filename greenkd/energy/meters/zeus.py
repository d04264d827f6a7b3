"""Zeus as a meter (optional: `pip install "greenkd[zeus]"`)."""

import importlib
from collections.abc import Mapping
from typing import Any

from greenkd.energy.clock import Clock
from greenkd.energy.meters.base import ABSENT, MACHINE, Component, Part, Reading
from greenkd.energy.meters.nvidia_devices import look_for_gpus, open_nvml
from greenkd.energy.meters.rapl import leap, processor_limit_w
from greenkd.errors import ConfigError
from greenkd.records import Source


class Zeus:
    """Windows of Zeus's monitor, one after the other, added up.

    Args:
        clock: Another clock than the process's, for tests.

    Raises:
        ConfigError: Zeus is not installed, or finds nothing it can read.
    """

    name = "zeus"
    method = "counter"
    scope = "machine"
    min_window_s = 2.0
    resolution_s = 0.1

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or Clock()
        try:
            package, module = importlib.import_module("zeus"), importlib.import_module("zeus.monitor")
        except ModuleNotFoundError as error:
            raise ConfigError('energy=zeus: zeus is not installed; pip install "greenkd[zeus]"') from error
        self.version = str(package.__version__)

        # One window right away shows which parts Zeus can read.
        self._monitor = module.ZeusMonitor()
        self._totals: dict[Part, float] = {}
        self._limit_w = processor_limit_w()
        self._window = 0
        self._begin()
        self._add(self._end())
        if not self._totals:
            raise ConfigError("energy=zeus: Zeus finds no sensor on this machine; choose energy=codecarbon")
        self._begin()

        self.sensor = f"Zeus: {', '.join(sorted(self._totals))}"
        self.expected: frozenset[Part] = frozenset(self._totals)

        self.shared: Mapping[Part, frozenset[str]] = {
            "cpu": MACHINE,
            "ram": MACHINE,
            "gpu": frozenset(gpu.uuid for gpu in look_for_gpus(open_nvml()).gpus),
        }

    def snapshot(self) -> Reading:
        """Ends one window and begins the next."""
        before_j, before_s = self._totals.get("cpu", 0.0), self._began_s
        self._add(self._end())
        self._begin()

        cpu_j, seconds = self._totals.get("cpu", 0.0) - before_j, self._began_s - before_s
        warning = leap("zeus", cpu_j, seconds, self._limit_w)

        return Reading(
            cpu=self._component("cpu"),
            gpu=self._component("gpu"),
            ram=self._component("ram"),
            warnings=() if warning is None else (warning,),
            breaks=frozenset() if warning is None else frozenset({"cpu"}),
        )

    def close(self) -> None:
        """Ends the last window."""
        self._end()

    # The monitor waits for the GPU itself, at every boundary of phases.
    def _begin(self) -> None:
        self._window += 1
        self._began_s = self._clock.seconds()
        self._monitor.begin_window(f"greenkd-{self._window}", sync_execution=False)

    def _end(self) -> Any:
        return self._monitor.end_window(f"greenkd-{self._window}", sync_execution=False)

    def _add(self, measured: Any) -> None:
        energies: dict[Part, Mapping[int, float] | None] = {
            "cpu": measured.cpu_energy,
            "gpu": measured.gpu_energy,
            "ram": measured.dram_energy,
        }

        for part, by_device in energies.items():
            if by_device:
                self._totals[part] = self._totals.get(part, 0.0) + sum(by_device.values())

    def _component(self, part: Part) -> Component:
        return Component(self._totals[part], Source.MEASURED) if part in self._totals else ABSENT
