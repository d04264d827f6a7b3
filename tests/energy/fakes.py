"""A clock one can turn, and a meter that reads what a test wrote down."""

import time
from collections.abc import Mapping
from types import MappingProxyType

from greenkd.energy import Clock, Component, Reading
from greenkd.energy.meters.base import Part
from greenkd.records import Source


class FakeClock(Clock):
    def __init__(self) -> None:
        self.now = 100.0
        self.cpu = 5.0

    def pass_time(self, seconds: float, cpu_share: float = 1.0) -> None:
        self.now += seconds
        self.cpu += seconds * cpu_share

    def seconds(self) -> float:
        return self.now

    def cpu_seconds(self) -> float:
        return self.cpu

    def sleep(self, seconds: float) -> None:
        self.pass_time(seconds, 0.0)


class FakeMeter:
    """36 W of CPU (so 100 s are 1 Wh), and whatever a test sets."""

    name, version, method, scope, sensor = "fake", "1.0", "counter", "machine", "a test"
    expected: frozenset[Part] = frozenset({"cpu"})
    shared: Mapping[Part, frozenset[str]] = MappingProxyType({})

    def __init__(self, clock: FakeClock, min_window_s: float = 0.0, resolution_s: float = 0.0) -> None:
        self.clock = clock
        self.min_window_s = min_window_s
        self.resolution_s = resolution_s
        self.watts = 36.0
        self.gpu_joules: float | None = None
        self.ram_watts: float | None = None
        self.error: Exception | None = None
        self.snapshots = 0
        self.closed = False

    def snapshot(self) -> Reading:
        self.snapshots += 1
        if self.error is not None:
            raise self.error
        ram = None if self.ram_watts is None else self.ram_watts * self.clock.now
        return Reading(
            cpu=Component(self.watts * self.clock.now, Source.MEASURED),
            gpu=Component(self.gpu_joules, Source.ABSENT if self.gpu_joules is None else Source.MEASURED),
            ram=Component(ram, Source.ABSENT if ram is None else Source.CONSTANT),
        )

    def close(self) -> None:
        self.closed = True


def burn(seconds: float) -> None:
    started = time.process_time()
    while time.process_time() - started < seconds:
        pass
