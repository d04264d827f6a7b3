"""What every meter looks like: a source of cumulative readings.

A phase's energy is the difference of two readings, so phases nest and follow each other without the meter knowing.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, Protocol, runtime_checkable

from greenkd.records import Source

Part = Literal["cpu", "gpu", "ram"]
PARTS: tuple[Part, ...] = ("cpu", "gpu", "ram")


@dataclass(frozen=True, slots=True)
class Component:
    """The energy of one part of the machine since the meter was opened.

    Attributes:
        joules: Cumulative energy at the device (PUE 1); None where nothing can be read.
        source: How the number comes about; ABSENT exactly where `joules` is None.
    """

    joules: float | None
    source: Source

    def __post_init__(self) -> None:
        if (self.joules is None) != (self.source is Source.ABSENT):
            raise ValueError(f"joules={self.joules} does not go with source={self.source}; absent means None, not 0")


ABSENT = Component(None, Source.ABSENT)
# The one device behind parts that are read for the whole machine, see `Meter.shared`.
MACHINE = frozenset({"machine"})


class Beside(NamedTuple):
    """A meter that runs beside another one.

    Attributes:
        meter: Its name and version.
        method: As in `Meter`.
    """

    meter: str
    method: str


@dataclass(frozen=True, slots=True)
class Reading:
    """One snapshot of a meter.

    Attributes:
        cpu: Processor packages.
        gpu: All the process's GPUs together.
        ram: Memory.
        secondary: Readings of meters that run beside this one.
        warnings: What the reader of the numbers must know; each is written to the ledger.
        gpu_temperature_c: Of the hottest GPU.
    """

    cpu: Component = ABSENT
    gpu: Component = ABSENT
    ram: Component = ABSENT
    secondary: Mapping[Beside, "Reading"] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    gpu_temperature_c: float | None = None

    def part(self, part: Part) -> Component:
        """Returns one component by name."""
        return {"cpu": self.cpu, "gpu": self.gpu, "ram": self.ram}[part]


@runtime_checkable
class Meter(Protocol):
    """A source of cumulative readings, opened by its constructor, one per process.

    Attributes:
        name: "codecarbon".
        version: Of the package that measures; greenkd's own for meters of this package.
        method: counter, sampled_power, load_model, tdp_constant, cpu_time_model, simulated or none.
        scope: What is covered: process, machine or device.
        sensor: What is read or assumed, in words a reader can check.
        min_window_s: Switches between phases that follow each other faster are not read one by one; the monitor divides
            the joint reading. 0 where a snapshot costs next to nothing.
        resolution_s: The sensor's own period; no reading is taken over less.
        expected: Parts that must be read and advance; where they do not, a row is invalid, not zero.
        shared: Parts whose reading covers more than this process, and the devices it covers: other metered processes
            that read the same device get a share each.
    """

    name: str
    version: str
    method: str
    scope: str
    sensor: str
    min_window_s: float
    resolution_s: float
    expected: frozenset[Part]
    shared: Mapping[Part, frozenset[str]]

    def snapshot(self) -> Reading:
        """Reads everything consumed since the meter was opened. Any thread may call it, but only one at a time."""

    def close(self) -> None:
        """Ends the measurement; called once, when the process ends."""


def label(meter: Meter) -> str:
    """Returns a meter's name and version, as written to the ledger."""
    return f"{meter.name} {meter.version}"
