"""The window that is open now: what the meter said when it began, and the time each phase has taken since."""

from dataclasses import dataclass, field

from greenkd.energy import unmetered
from greenkd.energy.clock import Clock
from greenkd.energy.device_sharing import Sharers
from greenkd.energy.meters.base import Meter, Part, Reading
from greenkd.energy.window import (
    PhaseKey,
    Segment,
    WindowEnergy,
    WindowShare,
    difference,
    divide,
    divide_joint_segments,
)


@dataclass(slots=True)
class _Window:
    """The time since the meter was last read."""

    started_s: float
    cpu_started_s: float
    reading: Reading | None  # None: the meter failed, so there is nothing to subtract from
    sharers: dict[Part, int]
    segments: dict[PhaseKey, Segment] = field(default_factory=dict)


class WindowReader:
    """Reads the meter at both ends of a window, and divides what it says among the phases in between.

    It is not safe for threads; the monitor holds its lock around every call but `wait_for_sensor`.

    Args:
        meter: Open and warm.
        sharers: Who else reads the same devices; None where the meter covers this process only.
        clock: Where seconds and CPU seconds are read.

    Attributes:
        now_s: The monotonic clock when time was last charged.
        gpu_temperature_c: Of the hottest GPU at the last reading; None where it is not known.
    """

    def __init__(self, meter: Meter, sharers: Sharers | None, clock: Clock) -> None:
        self._meter = meter
        self._sharers = sharers
        self._clock = clock
        self.gpu_temperature_c: float | None = None

    @property
    def is_due(self) -> bool:
        """Whether the window is long enough for the meter to be read."""
        return self.now_s - self._window.started_s >= self._meter.min_window_s

    def begin(self) -> None:
        """Begins a window now; the time since the last one is charged to nothing."""
        self.now_s, self._cpu_now_s = self._clock.seconds(), self._clock.cpu_seconds()
        reading, _ = self._read()
        self._window = _Window(self.now_s, self._cpu_now_s, reading, self._count_sharers())

    def charge(self, key: PhaseKey) -> None:
        """Charges the time since the last call, or since the window's beginning, to a phase."""
        now_s, cpu_now_s = self._clock.seconds(), self._clock.cpu_seconds()
        seconds, cpu_s = now_s - self.now_s, cpu_now_s - self._cpu_now_s
        self.now_s, self._cpu_now_s = now_s, cpu_now_s

        segment = self._window.segments.setdefault(key, Segment())
        segment.seconds += seconds
        segment.cpu_s += cpu_s

        unmetered.recorded.duration_s += seconds
        unmetered.recorded.cpu_s += cpu_s

    def add_trial_seconds(self, joint: PhaseKey, member: PhaseKey, seconds: float) -> None:
        """Notes seconds of a joint phase that were measured for one of its members alone."""
        member_s = self._window.segments.setdefault(joint, Segment()).member_s
        member_s[member] = member_s.get(member, 0.0) + seconds

    def close(self) -> dict[PhaseKey, WindowShare]:
        """Reads the meter, ends the window and begins the next.

        Returns:
            The share of each phase; empty if no time has passed, in which case the window stays open.
        """
        window = self._window
        if self.now_s <= window.started_s:
            return {}

        # What the meter says of the whole window
        reading, problem = self._read()
        energy = self._judge(reading, problem)
        if reading is not None:
            self.gpu_temperature_c = reading.gpu_temperature_c

        # Other processes that read a device get their part of it; how many they are is averaged over both ends.
        sharers = self._count_sharers()
        scale = {part: (1 / number + 1 / window.sharers.get(part, number)) / 2 for part, number in sharers.items()}

        # The shares of the phases
        segments = divide_joint_segments(window.segments)
        primary = divide(energy.primary, list(segments.values()), scale)
        secondary = {name: divide(value, list(segments.values())) for name, value in energy.secondary.items()}
        shares = {
            key: WindowShare(
                segment=segment,
                primary=primary[number],
                secondary={name: parts[number] for name, parts in secondary.items()},
                valid=energy.valid,
                warnings=energy.warnings,
                window_s=self.now_s - window.started_s,
                apportioned=len(segments) > 1,
                sharers=1 / min(scale.values()) if scale else None,
            )
            for number, (key, segment) in enumerate(segments.items())
        }

        self._window = _Window(self.now_s, self._cpu_now_s, reading, sharers)
        return shares

    def wait_for_sensor(self) -> None:
        """Waits until the window is at least as long as the sensor's period."""
        remaining_s = self._meter.resolution_s - (self._clock.seconds() - self._window.started_s)
        if remaining_s > 0:
            self._clock.sleep(remaining_s)

    def _read(self) -> tuple[Reading | None, str | None]:
        """Returns a reading, or what went wrong with it."""
        try:
            return self._meter.snapshot(), None
        except Exception as error:  # whatever a library or a user's meter raises must not end a training
            return None, f"{self._meter.name}: {type(error).__name__}: {error}"

    def _judge(self, reading: Reading | None, problem: str | None) -> WindowEnergy:
        """Returns the window's energy; invalid where the meter failed at either end."""
        if problem is not None:
            return WindowEnergy(valid=False, warnings=(problem,))
        if self._window.reading is None or reading is None:
            return WindowEnergy(valid=False, warnings=(f"{self._meter.name} had failed before",))

        cpu_s = self._cpu_now_s - self._window.cpu_started_s
        return difference(self._meter, self._window.reading, reading, cpu_s=cpu_s)

    def _count_sharers(self) -> dict[Part, int]:
        return {} if self._sharers is None else self._sharers.counts()
