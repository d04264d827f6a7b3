"""Seconds and CPU seconds of this process: one clock for all meters, not each tracker's own."""

import resource
import time


class Clock:
    """The process's clocks. A test puts another in its place."""

    def seconds(self) -> float:
        """Returns monotonic seconds."""
        return time.monotonic()

    def cpu_seconds(self) -> float:
        """Returns user and system seconds of the process and of its children that have ended (some µs to read)."""
        process = resource.getrusage(resource.RUSAGE_SELF)
        children = resource.getrusage(resource.RUSAGE_CHILDREN)

        return process.ru_utime + process.ru_stime + children.ru_utime + children.ru_stime

    def sleep(self, seconds: float) -> None:
        """Waits for so many seconds."""
        time.sleep(seconds)
