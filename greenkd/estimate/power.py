"""How the energy of work that is still to be done follows from its seconds, with the range that this leaves open.

A meter's figure has parts of two kinds. What a model charges per CPU second follows the work. A constant wattage (that
of the memory, CarbonTracker's of the processor) and a GPU's power follow the clock on the wall, which runs on while
other programs have the processor: on machines without sensors most of the energy is of this kind, so that its error is
that of the wall-clock time. Each part is estimated from the seconds that it follows.
"""

import dataclasses
from collections.abc import Sequence

from greenkd.estimate.stopwatch import Work
from greenkd.records import LedgerRow, Source

_BY_THE_CLOCK = (Source.CONSTANT, Source.SIMULATED)


@dataclasses.dataclass(frozen=True)
class Power:
    """How energy follows from seconds.

    Attributes:
        per_cpu_s_kwh: Of the processor, where a model or a counter says so, per CPU second; None where there is none.
        per_s_kwh: Of all that goes by the clock, per second: GPU, memory, a constant for the processor; None likewise.
        measured_per_s_kwh: The processor's counter over seconds instead of CPU seconds, for such a counter holds what
            the machine draws at rest too; None where the processor is not measured.
        sharers: Mean number of metered processes that a device's energy was divided among; it is in `per_s_kwh`.
        most_sharers: The largest number seen.
    """

    per_cpu_s_kwh: float | None
    per_s_kwh: float | None
    measured_per_s_kwh: float | None = None
    sharers: float = 1.0
    most_sharers: float = 1.0

    def energy_kwh(self, work: Work) -> float | None:
        """Returns the energy of some work; None where nothing is known."""
        parts = ((self.per_cpu_s_kwh, work.cpu_s), (self.per_s_kwh, work.duration_s))
        known = [rate * seconds for rate, seconds in parts if rate is not None]
        return sum(known) if known else None

    def range_kwh(self, low: Work, high: Work) -> tuple[float, float] | None:
        """Returns the least and the most energy of work that lies between two bounds; None where nothing is known.

        Where a device was shared with other metered processes, these may be gone when the work is done, or be one more.
        """
        others_come, others_go = self.sharers, self.sharers
        if self.most_sharers > 1:
            others_come, others_go = self.most_sharers + 1, 1.0

        least = dataclasses.replace(self, per_s_kwh=_times(self.per_s_kwh, self.sharers / others_come))
        most = dataclasses.replace(self, per_s_kwh=_times(self.per_s_kwh, self.sharers / others_go))
        if self.measured_per_s_kwh is None or self.per_cpu_s_kwh is None:
            bounds = least.energy_kwh(low), most.energy_kwh(high)
        else:
            by_cpu, by_clock = self.per_cpu_s_kwh, self.measured_per_s_kwh
            bounds = (
                min(by_cpu * low.cpu_s, by_clock * low.duration_s) + (least.per_s_kwh or 0.0) * low.duration_s,
                max(by_cpu * high.cpu_s, by_clock * high.duration_s) + (most.per_s_kwh or 0.0) * high.duration_s,
            )
        return None if bounds[0] is None or bounds[1] is None else (bounds[0], bounds[1])


def mean_power(rows: Sequence[LedgerRow]) -> Power:
    """Takes the mean power of some ledger rows, each part by the seconds that it follows."""
    valid = [row for row in rows if row.status == "ok"]
    working = [row for row in valid if row.images] or valid

    # What follows the work, and what follows the clock
    by_cpu = [row for row in working if row.cpu_kwh is not None and row.cpu_s and row.cpu_source not in _BY_THE_CLOCK]
    by_clock = [(_by_the_clock(row), row.duration_s) for row in working]
    measured = [(row.cpu_kwh, row.duration_s) for row in by_cpu if row.cpu_source is Source.MEASURED]

    # Who else read the devices
    shared = [(row.sharers, row.duration_s) for row in working if row.sharers is not None]
    return Power(
        per_cpu_s_kwh=_ratio([(row.cpu_kwh, row.cpu_s) for row in by_cpu]),
        per_s_kwh=_ratio(by_clock),
        measured_per_s_kwh=_ratio(measured),
        sharers=_harmonic_mean(shared),
        most_sharers=max((sharers for sharers, _ in shared), default=1.0),
    )


def _by_the_clock(row: LedgerRow) -> float | None:
    """Returns the part of a row's energy that follows the clock; None where there is none."""
    parts = (row.gpu_kwh, row.ram_kwh, row.cpu_kwh if row.cpu_source in _BY_THE_CLOCK else None)
    known = [kwh for kwh in parts if kwh is not None]
    return sum(known) if known else None


def _ratio(pairs: Sequence[tuple[float | None, float | None]]) -> float | None:
    known = [(kwh, seconds) for kwh, seconds in pairs if kwh is not None and seconds is not None]
    total_s = sum(seconds for _, seconds in known)
    return sum(kwh for kwh, _ in known) / total_s if total_s else None


def _harmonic_mean(shared: Sequence[tuple[float, float]]) -> float:
    """Returns the number of processes that divides a constant power as these numbers did, second by second."""
    total_s = sum(seconds for _, seconds in shared)
    return total_s / sum(seconds / sharers for sharers, seconds in shared) if total_s else 1.0


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor
