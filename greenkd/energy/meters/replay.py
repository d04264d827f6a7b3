"""A meter's readings kept in a file and played back, so that tests and demonstrations need no hardware."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from greenkd import __version__
from greenkd.energy.clock import Clock
from greenkd.energy.meters.base import ABSENT, PARTS, Component, Meter, Part, Reading
from greenkd.errors import ConfigError
from greenkd.records import Source, open_file


def record_reading(meter: Meter, path: Path, seconds: float) -> None:
    """Adds one reading to a recording.

    Args:
        meter: What to read.
        path: A `.jsonl` file; each line holds `seconds` and the cumulative joules of cpu, gpu and ram, null if absent.
        seconds: Since the recording began.
    """
    reading = meter.snapshot()

    line = {"seconds": seconds} | {part: reading.part(part).joules for part in PARTS}
    descriptor = open_file(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with os.fdopen(descriptor, "a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


class Replay:
    """Plays a recording back in real time, straight lines between its readings; every number is tagged as simulated.

    Args:
        recording: A file made by `record_reading`, at least two lines.
        clock: Another clock than the process's, for tests.

    Raises:
        ConfigError: The file is missing or no recording.
    """

    name = "replay"
    version = __version__
    method = "simulated"
    scope = "machine"
    min_window_s = 0.0
    resolution_s = 0.0
    shared: Mapping[Part, frozenset[str]] = MappingProxyType({})

    def __init__(self, recording: Path, clock: Clock | None = None) -> None:
        self._lines = _read(recording)
        self.sensor = f"recording {recording.name}"
        self.expected: frozenset[Part] = frozenset(part for part in PARTS if self._lines[0][part] is not None)

        self._clock = clock or Clock()
        self._opened_at_s = self._clock.seconds()

    def snapshot(self) -> Reading:
        """Reads the recording at the time since opening.

        Raises:
            RuntimeError: The recording is over.
        """
        now_s = self._clock.seconds() - self._opened_at_s

        for before, after in zip(self._lines, self._lines[1:], strict=False):
            start, end = before["seconds"], after["seconds"]
            if start is not None and end is not None and start <= now_s <= end:
                share = (now_s - start) / (end - start)
                cpu, gpu, ram = (_interpolate(before[part], after[part], share) for part in PARTS)
                return Reading(cpu=cpu, gpu=gpu, ram=ram)

        raise RuntimeError(f"the recording ends after {self._lines[-1]['seconds']} s")

    def close(self) -> None:
        """Has nothing to end."""


def _interpolate(before: float | None, after: float | None, share: float) -> Component:
    if before is None or after is None:
        return ABSENT

    return Component(before + share * (after - before), Source.SIMULATED)


def _read(recording: Path) -> list[dict[str, float | None]]:
    """Reads a recording and refuses what is none."""
    try:
        lines = [json.loads(line) for line in recording.read_text(encoding="utf-8").splitlines()]
        times = [line["seconds"] for line in lines]
        complete = all(part in line for line in lines for part in PARTS)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ConfigError(f"recording={recording}: not a recording ({error}); make one with record_reading") from error

    if len(lines) < 2 or times != sorted(set(times)) or times[0] != 0 or not complete:
        raise ConfigError(f"recording={recording}: needs two lines or more, from 0 s, in order, with cpu, gpu and ram")

    return lines
