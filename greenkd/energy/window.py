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
    """What a moment is charged to: one phase, of one attempt at one trial, in one ledger.

    Attributes:
        ledger: The file of its rows.
        phase: What the energy is spent on.
        trial: The trial it is spent for; None for the campaign or the teacher.
        attempt: The try at that trial, from 0.
        members: The trials of a joint phase, which divide it among themselves; empty for all other phases.
    """

    ledger: Path
    phase: Phase
    trial: int | None
    attempt: int
    members: tuple["PhaseKey", ...] = ()


@dataclass(slots=True)
class Segment:
    """The time that one phase took within a window.

    Attributes:
        seconds: By the monotonic clock.
        cpu_s: CPU seconds.
        member_s: Of a joint phase: the seconds measured for one member alone.
    """

    seconds: float = 0.0
    cpu_s: float = 0.0
    member_s: dict[PhaseKey, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Energies:
    """Energy of each part of the machine.

    Attributes:
        kwh: Energy in kWh; None where it is not known.
        sources: How each figure comes about; ABSENT where `kwh` is None.
    """

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
    """What the difference of two readings says, and what is wrong with it.

    Attributes:
        primary: Of the meter itself.
        secondary: Of the meters that run beside it.
        valid: False where the energy must count as unknown.
        warnings: Why it is not valid, and what the meter had to say.
    """

    primary: Energies = NOTHING
    secondary: dict[Beside, Energies] = field(default_factory=dict)
    valid: bool = True
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class WindowShare:
    """One phase's share of a window.

    Attributes:
        segment: The phase's time.
        primary: Its energy by the meter itself.
        secondary: Its energy by the meters that run beside it.
        valid: As in `WindowEnergy`.
        warnings: As in `WindowEnergy`.
        window_s: Length of the whole window.
        apportioned: Whether other phases have a share too.
        sharers: How many metered processes read the same device; None where the meter covers this process only.
    """

    segment: Segment
    primary: Energies
    secondary: dict[Beside, Energies]
    valid: bool
    warnings: tuple[str, ...]
    window_s: float
    apportioned: bool
    sharers: float | None


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

    secondary = {
        name: _subtract(before.secondary[name], reading)
        for name, reading in after.secondary.items()
        if name in before.secondary
    }
    return WindowEnergy(primary=primary, secondary=secondary, valid=not problems, warnings=(*problems, *after.warnings))


def divide(energies: Energies, segments: list[Segment], scale: dict[Part, float] | None = None) -> list[Energies]:
    """Divides a window's energy among its segments; the shares of each part sum exactly to the total.

    The processor's energy goes by CPU seconds; that of GPUs and memory by seconds, since memory draws the same whatever
    is computed, and the monitor waits for the GPU at every boundary.

    Args:
        energies: Of the whole window.
        segments: At least one.
        scale: The fraction of a part's reading that is this process's, where others read the same device.

    Returns:
        The energy of each segment, in the order of `segments`.
    """
    scale = scale or {}
    divided: dict[Part, list[float | None]] = {}

    for part in PARTS:
        value = energies.kwh[part]
        if value is None:
            divided[part] = [None] * len(segments)
            continue

        weights = [segment.cpu_s if part == "cpu" else segment.seconds for segment in segments]
        divided[part] = list(shares(value * scale.get(part, 1.0), weights))

    return [
        Energies({part: divided[part][number] for part in PARTS}, energies.sources) for number in range(len(segments))
    ]


def divide_joint_segments(segments: dict[PhaseKey, Segment]) -> dict[PhaseKey, Segment]:
    """Divides the segments of joint phases among the trials that ran in them.

    Each member is charged its own measured seconds and an equal part of the rest (teacher, data, Python); where none
    were measured the parts are equal, which is right for students of one architecture. Never by FLOPs, which miss the
    cost of small convolutions by a factor of three.

    Returns:
        The segments of phases that are not joint; the parts of a joint phase are added to those of its members.
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

        measured_s = [segment.member_s.get(member, 0.0) for member in key.members]
        rest_s = max(0.0, segment.seconds - sum(measured_s)) / len(measured_s)
        weights = [seconds + rest_s for seconds in measured_s]

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
