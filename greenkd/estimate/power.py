"""How the energy of work that is still to be done follows from its seconds."""

import dataclasses
from collections.abc import Sequence

from greenkd.estimate.stopwatch import Work
from greenkd.records import LedgerRow


@dataclasses.dataclass(frozen=True)
class Power:
    """How energy follows from seconds.

    Attributes:
        per_cpu_s_kwh: The processor's, per CPU second; None where the meter reads none.
        per_s_kwh: Of GPU and memory, per second; None where the meter reads neither.
    """

    per_cpu_s_kwh: float | None
    per_s_kwh: float | None

    def energy_kwh(self, work: Work) -> float | None:
        """Returns the energy of some work; None where nothing is known."""
        parts = ((self.per_cpu_s_kwh, work.cpu_s), (self.per_s_kwh, work.duration_s))
        known = [rate * seconds for rate, seconds in parts if rate is not None]
        return sum(known) if known else None


def mean_power(rows: Sequence[LedgerRow]) -> Power:
    """Takes the mean power of some ledger rows: the processor's by CPU seconds, all else by seconds."""
    valid = [row for row in rows if row.status == "ok"]
    working = [row for row in valid if row.images] or valid

    cpu = [(row.cpu_kwh, row.cpu_s) for row in working if row.cpu_kwh is not None and row.cpu_s]
    other = [
        ((row.gpu_kwh or 0.0) + (row.ram_kwh or 0.0), row.duration_s)
        for row in working
        if row.gpu_kwh is not None or row.ram_kwh is not None
    ]
    return Power(_ratio(cpu), _ratio(other))


def _ratio(pairs: Sequence[tuple[float, float]]) -> float | None:
    total_s = sum(seconds for _, seconds in pairs)
    return sum(kwh for kwh, _ in pairs) / total_s if total_s else None
