"""One window between two readings of a meter, and how its energy is divided among the phases inside it."""

from dataclasses import dataclass, field
from pathlib import Path

from greenkd.energy.apportion import shares
from greenkd.energy.meters.base import PARTS, Beside, Component, Meter, Part, Reading
from greenkd.records import Phase, Source

JOULES_PER_KWH = 3.6e6
# Below this many CPU seconds a load model that says 0 J may be right: the kernel counts in ticks of 10 ms.
_MODEL_TICKS_S = 0.1
# When one row joins numbers of several origins, the least certain origin names it.
_CERTAINTY = (Source.MEASURED, Source.MODELLED, Source.CONSTANT, Source.SIMULATED, Source.ABSENT)


@dataclass(frozen=True, slots=True)
class PhaseKey:
    """Whose bill a moment is on."""

    ledger: Path
    phase: Phase
    trial: int | None
    attempt: int
    members: tuple["PhaseKey", ...] = ()  # bills that share this moment: trials trained side by side


@dataclass(slots=True)
class Segment:
    """Time spent on one bill within a window."""

    seconds: float = 0.0
    cpu_s: float = 0.0
    own_s: dict[PhaseKey, float] = field(default_factory=dict)  # of each member, where it was measured


@dataclass(frozen=True, slots=True)
class Energies:
    """Energy of each part, kWh; None where it is not known."""

    kwh: dict[Part, float | None]
    sources: dict[Part, Source]

    @property
    def total(self) -> float | None:
        """The sum of the parts that are known, None if none is."""
        known = [value for value in self.kwh.values() if value is not None]
        return sum(known) if known else None


NOTHING = Energies(dict.fromkeys(PARTS), dict.fromkeys(PARTS, Source.ABSENT))


@dataclass(slots=True)
class WindowEnergy:
    """What the difference of two readings says, and what is wrong with it."""

    primary: Energies = NOTHING
    secondary: dict[Beside, Energies] = field(default_factory=dict)
    valid: bool = True
    warnings: tuple[str, ...] = ()


def difference(meter: Meter, before: Reading, after: Reading, *, cpu_s: float) -> WindowEnergy:
    """Takes the difference of two readings and judges it.

    An expected part that is absent, a counter that did not advance or ran backwards, and a load model that saw nothing
    of the CPU seconds used make the window invalid: its energy is unknown, not zero.

    Args:
        meter: What was read.
        before: The earlier reading.
        after: The later one.
        cpu_s: CPU seconds between the two.
    """
    primary = _subtract(before, after)
    problems = []
    for part in PARTS:
        value, source = primary.kwh[part], primary.sources[part]
        if value is None:
            if part in meter.expected:
                problems.append(f"{part}: expected, but {meter.name} read nothing")
        elif value < 0:
            problems.append(f"{part}: {meter.name} ran backwards")
        elif value == 0 and part in meter.expected and (source is Source.MEASURED or cpu_s > _MODEL_TICKS_S):
            problems.append(f"{part}: {meter.name} says 0 J")
        else:
            continue
        primary.kwh[part], primary.sources[part] = None, Source.ABSENT
    return WindowEnergy(
        primary=primary,
        secondary={
            name: _subtract(before.secondary[name], reading)
            for name, reading in after.secondary.items()
            if name in before.secondary
        },
        valid=not problems,
        warnings=(*problems, *after.warnings),
    )


def divide(energies: Energies, segments: list[Segment], scale: dict[Part, float] | None = None) -> list[Energies]:
    """Divides a window's energy among its segments; the shares of each part sum exactly to the whole.

    `scale` is the part of a reading that is this process's, where others read the same device.

    The processor's energy goes by CPU seconds; that of GPUs and memory by seconds, since memory draws the same whatever
    is computed, and the monitor waits for the GPU at every boundary.
    """
    scale = scale or {}
    divided: dict[Part, list[float | None]] = {}
    for part in PARTS:
        value = energies.kwh[part]
        weights = [segment.cpu_s if part == "cpu" else segment.seconds for segment in segments]
        if value is None:
            divided[part] = [None] * len(segments)
        else:
            divided[part] = list(shares(value * scale.get(part, 1.0), weights))
    return [
        Energies({part: divided[part][number] for part in PARTS}, energies.sources) for number in range(len(segments))
    ]


def among_members(segments: dict[PhaseKey, Segment]) -> dict[PhaseKey, Segment]:
    """Divides joint segments among the trials that ran side by side in them.

    Each member bears its own measured seconds and an equal part of the rest (teacher, data, Python); where none were
    measured the parts are equal, which is right for students of one architecture. Never by FLOPs, which miss the cost
    of small convolutions by a factor of three.
    """
    divided: dict[PhaseKey, Segment] = {}

    def add(key: PhaseKey, seconds: float, cpu_s: float) -> None:
        segment = divided.setdefault(key, Segment())
        segment.seconds += seconds
        segment.cpu_s += cpu_s

    for key, segment in segments.items():
        if not key.members:
            add(key, segment.seconds, segment.cpu_s)
            continue
        own = [segment.own_s.get(member, 0.0) for member in key.members]
        rest = max(0.0, segment.seconds - sum(own)) / len(own)
        weights = [value + rest for value in own]
        parts = zip(shares(segment.seconds, weights), shares(segment.cpu_s, weights), strict=True)
        for member, (seconds, cpu_s) in zip(key.members, parts, strict=True):
            add(member, seconds, cpu_s)
    return divided


def less_certain(first: Source, second: Source) -> Source:
    """Returns the source that promises less."""
    return max(first, second, key=_CERTAINTY.index)


def _subtract(before: Reading, after: Reading) -> Energies:
    kwh: dict[Part, float | None] = {}
    sources: dict[Part, Source] = {}
    for part in PARTS:
        start: Component = before.part(part)
        end: Component = after.part(part)
        known = start.joules is not None and end.joules is not None
        kwh[part] = (end.joules - start.joules) / JOULES_PER_KWH if known else None  # type: ignore[operator]
        sources[part] = less_certain(start.source, end.source) if known else Source.ABSENT
    return Energies(kwh, sources)
