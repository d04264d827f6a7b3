"""Meters that need no sensor: nothing, a CPU-time model, and made-up watts for tests."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated

from pydantic import Field

from greenkd import __version__
from greenkd.energy.clock import Clock
from greenkd.energy.meters.base import ABSENT, Component, Part, Reading
from greenkd.records import Source

Watts = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class NoMeter:
    """Measures no energy; seconds, CPU seconds and FLOPs are recorded all the same."""

    name = "none"
    version = __version__
    method = "none"
    scope = "process"
    sensor = "none"
    min_window_s = 1.0
    resolution_s = 0.0
    expected: frozenset[Part] = frozenset()
    shared: Mapping[Part, frozenset[str]] = MappingProxyType({})

    def snapshot(self) -> Reading:
        """Reads nothing."""
        return Reading()

    def close(self) -> None:
        """Has nothing to end."""


class CpuTime:
    """CPU seconds of the process and its children times watts per thread.

    The reference on machines without sensors: it charges no neighbour's work, and repeats within a few per cent where
    wall-clock figures scatter by 16 %. Its level is as good as the wattage: 4 W per thread is a server's usual figure.

    Args:
        watts_per_thread: Power of one busy hardware thread.
        clock: Another clock than the process's, for tests.
    """

    name = "cpu_time"
    version = __version__
    method = "cpu_time_model"
    scope = "process"
    min_window_s = 0.0
    resolution_s = 0.0
    expected: frozenset[Part] = frozenset({"cpu"})
    shared: Mapping[Part, frozenset[str]] = MappingProxyType({})

    def __init__(self, watts_per_thread: Watts, clock: Clock | None = None) -> None:
        self.sensor = f"CPU seconds x {watts_per_thread:g} W per thread"
        self._watts = watts_per_thread
        self._clock = clock or Clock()

    def snapshot(self) -> Reading:
        """Reads the CPU seconds used so far."""
        return Reading(cpu=Component(self._clock.cpu_seconds() * self._watts, Source.MODELLED))

    def close(self) -> None:
        """Has nothing to end."""


class Simulated:
    """Constant made-up watts times seconds, for tests and dry runs; every number is tagged as simulated.

    Args:
        cpu_watts: Power of the processor; None for one that cannot be read.
        gpu_watts: Power of all GPUs together; likewise.
        ram_watts: Power of the memory; likewise.
        clock: Another clock than the process's, for tests.
    """

    name = "simulated"
    version = __version__
    method = "simulated"
    scope = "process"
    min_window_s = 0.0
    resolution_s = 0.0
    shared: Mapping[Part, frozenset[str]] = MappingProxyType({})

    def __init__(
        self,
        cpu_watts: Watts | None = 10.0,
        gpu_watts: Watts | None = None,
        ram_watts: Watts | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.expected: frozenset[Part] = frozenset()
        self.sensor = "made-up watts"
        self._cpu_watts, self._gpu_watts, self._ram_watts = cpu_watts, gpu_watts, ram_watts

        self._clock = clock or Clock()
        self._opened_at_s = self._clock.seconds()

    def snapshot(self) -> Reading:
        """Reads watts times seconds since opening."""
        elapsed_s = self._clock.seconds() - self._opened_at_s

        def component(watts: float | None) -> Component:
            return ABSENT if watts is None else Component(watts * elapsed_s, Source.SIMULATED)

        return Reading(cpu=component(self._cpu_watts), gpu=component(self._gpu_watts), ram=component(self._ram_watts))

    def close(self) -> None:
        """Has nothing to end."""
