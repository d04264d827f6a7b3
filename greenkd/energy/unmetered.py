"""What a process takes outside its energy books: start-up, imports, Hydra between two campaigns.

No meter is open then, so only seconds and CPU seconds are known. They are divided equally among the campaigns that the
process ran, whichever came first, and their energy is that of the campaign's own rows per second.
"""

import dataclasses
import time
from collections.abc import Sequence
from datetime import UTC, datetime

import psutil

from greenkd.energy.clock import Clock
from greenkd.energy.window import JOULES_PER_KWH
from greenkd.records import UNMETERED, LedgerRow, Phase, Source


@dataclasses.dataclass(slots=True)
class Seconds:
    """Wall-clock and CPU seconds."""

    duration_s: float = 0.0
    cpu_s: float = 0.0


# What all books of this process have metered so far.
metered = Seconds()


def since_process_start() -> Seconds:
    """Returns what this process has taken up to now; its ended children's CPU time included, as in the books."""
    return Seconds(time.time() - psutil.Process().create_time(), Clock().cpu_seconds())


def process_started_at() -> str:
    """Returns when this process started: ISO 8601, UTC."""
    return datetime.fromtimestamp(psutil.Process().create_time(), UTC).isoformat(timespec="milliseconds")


def outside_row(rows: Sequence[LedgerRow], share: Seconds) -> LedgerRow | None:
    """Makes the row of a campaign's share.

    Args:
        rows: What this process has metered for the campaign.
        share: Its part of the time outside the books.

    Returns:
        A row of phase overhead; None if there are no rows to take the power from.
    """
    valid = [row for row in rows if row.status == "ok"]
    if not valid:
        return None
    last = valid[-1]
    cpu_kwh = _scaled(valid, "cpu_kwh", "cpu_s", share.cpu_s)
    gpu_kwh = _scaled(valid, "gpu_kwh", "duration_s", share.duration_s)
    ram_kwh = _scaled(valid, "ram_kwh", "duration_s", share.duration_s)
    known = [value for value in (cpu_kwh, gpu_kwh, ram_kwh) if value is not None]
    energy_kwh = sum(known) if known else None
    grams = None
    if energy_kwh is not None and last.intensity_g_per_kwh is not None:
        grams = energy_kwh * last.pue * last.intensity_g_per_kwh
    return dataclasses.replace(
        last,
        phase=Phase.OVERHEAD,
        trial=None,
        attempt=0,
        started_at=process_started_at(),
        duration_s=share.duration_s,
        cpu_s=share.cpu_s,
        energy_kwh=energy_kwh,
        cpu_kwh=cpu_kwh,
        gpu_kwh=gpu_kwh,
        ram_kwh=ram_kwh,
        cpu_source=_modelled(last.cpu_source),
        gpu_source=_modelled(last.gpu_source),
        ram_source=_modelled(last.ram_source),
        apportioned=True,
        co2eq_g=grams,
        flops=0.0,
        forward_flops=0.0,
        images=0,
        warnings=(UNMETERED,),
        cpu_time_kwh=_scaled(valid, "cpu_time_kwh", "cpu_s", share.cpu_s),
        secondary=(),
        resolution_share=None,
        machine=None,
    )


def _modelled(source: Source) -> Source:
    return Source.MODELLED if source is Source.MEASURED else source


def _scaled(rows: Sequence[LedgerRow], energy: str, seconds: str, share: float) -> float | None:
    pairs = [(getattr(row, energy), getattr(row, seconds)) for row in rows]
    known = [(kwh, second) for kwh, second in pairs if kwh is not None and second]
    below = sum(second for _, second in known)
    return sum(kwh for kwh, _ in known) / below * share if below else None


def watts(energy_kwh: float | None, seconds: float) -> float | None:
    """Returns mean power."""
    return None if energy_kwh is None or not seconds else energy_kwh * JOULES_PER_KWH / seconds
