"""How far wall-clock time may lie from its estimate: seconds per CPU second, now and at another hour.

CPU seconds of equal work repeat within some per cent; how long they take depends on who else has the processor. The
least is what an idle machine would need. The most is the slowest of the single measurements, or what the present load
makes of it: a thread among L others on n processors waits for (L + 1) / n turns.
"""

import os
from collections.abc import Sequence
from typing import NamedTuple

from greenkd.estimate.stopwatch import Work

# A machine that is idle now need not stay so.
LEAST_MARGIN = 1.25


class WallRange(NamedTuple):
    """Factors to an estimate of wall-clock time."""

    low: float
    high: float


def wall_range(samples: Sequence[Work], threads: int) -> WallRange:
    """Returns how far the wall-clock time of work like some samples may lie from their mean.

    Args:
        samples: Single measurements of equal work.
        threads: That the work may keep busy: with t of them a second of wall-clock time holds up to t CPU seconds.
    """
    ratios = [sample.duration_s / sample.cpu_s for sample in samples if sample.cpu_s > 0]
    total_s = sum(sample.cpu_s for sample in samples)
    if not ratios or not total_s:
        return WallRange(1.0, LEAST_MARGIN)
    mean = sum(sample.duration_s for sample in samples) / total_s

    undisturbed = min(1 / threads, *ratios)
    crowded = max(undisturbed * _crowding(), LEAST_MARGIN * mean, *ratios)
    return WallRange(undisturbed / mean, crowded / mean)


def _crowding() -> float:
    """Returns by how much the machine's load slows one more thread, the busiest of the last 1, 5 and 15 minutes."""
    if not hasattr(os, "getloadavg"):
        return 1.0
    return max(1.0, (max(os.getloadavg()) + 1) / (os.cpu_count() or 1))
