"""How long this process has lived, and dates that never run backwards.

Durations come from the monotonic clock: nobody sets it, and it stands still while the machine sleeps. Dates come from
the clock on the wall, which people and time servers set. They label records, and nothing is computed from them.
"""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

_STAT = Path("/proc/self/stat")
_START_TIME = 19  # of the fields that follow the process's name: ticks since the machine was switched on


class ProcessClock:
    """The clocks of one process, noted when it is young.

    Linux says when a process started on a clock that goes on while the machine sleeps, CLOCK_BOOTTIME. How far that
    clock is ahead of the monotonic one is taken at the first import, so that a later sleep changes nothing. Where the
    system says nothing of the kind, the process counts from its first import of greenkd.
    """

    def __init__(self) -> None:
        self.note()

    def note(self) -> None:
        """Notes the clocks anew, as a forked process does: it is a young one."""
        age_s = _age_s()
        self._started_s = time.monotonic() - age_s
        self._latest = datetime.now(UTC)
        self.started_at = self._latest - timedelta(seconds=age_s)

    def age_s(self) -> float:
        """Returns the seconds since the process started, without those in which the machine slept."""
        return time.monotonic() - self._started_s

    def now(self) -> datetime:
        """Returns the date in UTC; where the clock was set back, the latest date that was given out."""
        self._latest = max(self._latest, datetime.now(UTC))
        return self._latest


def process_age_s() -> float:
    """Returns the seconds since this process started, without those in which the machine slept."""
    return _clock.age_s()


def process_started_at() -> datetime:
    """Returns when this process started, in UTC."""
    return _clock.started_at


def utc_now() -> datetime:
    """Returns the date in UTC. Of two dates that one process asks for, the later one is never the smaller."""
    return _clock.now()


def _age_s() -> float:
    """Returns how long this process has lived; 0 where the system does not say."""
    try:
        # The name is in brackets, and may itself hold brackets and spaces.
        fields = _STAT.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        started_s = int(fields[_START_TIME]) / os.sysconf("SC_CLK_TCK")
        return max(0.0, time.clock_gettime(time.CLOCK_BOOTTIME) - started_s)
    except (OSError, AttributeError, IndexError, ValueError):
        return 0.0


_clock = ProcessClock()
os.register_at_fork(after_in_child=_clock.note)
