"""What a process takes while no monitor is open: start-up, imports, Hydra between two campaigns.

No meter is read then, so only seconds and CPU seconds are known. They are divided equally among the campaigns that the
process ran, whichever came first, and their energy is that of the campaign's own rows per second.
"""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from greenkd import process_clock
from greenkd.energy.clock import Clock
from greenkd.energy.window import JOULES_PER_KWH
from greenkd.records import UNMETERED, LedgerRow, Phase, Source, append_row, read_rows
from greenkd.whereabouts import is_this_process


@dataclasses.dataclass(slots=True)
class Seconds:
    """Wall-clock and CPU seconds."""

    duration_s: float = 0.0
    cpu_s: float = 0.0


# What all monitors of this process have charged to phases so far; they add to it.
recorded = Seconds()


def _foreign_times() -> Seconds:
    """Returns what the process took before it became this program.

    A shell that replaces itself by its last command (`exec`, or `bash -c "a && b"`) hands its age and the CPU time of
    its earlier commands on. Where there were any, the program is as old as it has used CPU time: it may be older.
    """
    own_s, children_s = sum(os.times()[:2]), sum(os.times()[2:4])
    if not children_s:
        return Seconds()

    age_s = process_clock.process_age_s()
    return Seconds(max(age_s - own_s, 0.0), children_s)


_foreign = _foreign_times()  # of this moment, before greenkd has started any process


def _begin_anew() -> None:
    """Forgets what the process was that this one was forked from."""
    for seconds in (_foreign, recorded):
        seconds.duration_s = seconds.cpu_s = 0.0


os.register_at_fork(after_in_child=_begin_anew)
# The process whose command will charge its campaigns what no monitor recorded; or, in a worker, what that is.
_charging_pid: int | None = None
_taken_over: Seconds | None = None


def charge_at_end() -> None:
    """Announces that this process's command will charge its campaigns for the time outside all monitors."""
    global _charging_pid  # noqa: PLW0603  (one process, one command)
    _charging_pid = os.getpid()


def take_over(seconds: Seconds | None) -> None:
    """Tells a worker what the command that it works for will charge."""
    global _taken_over  # noqa: PLW0603  (one worker, one command)
    _taken_over = seconds


def to_be_charged() -> Seconds | None:
    """Returns what the command will charge its campaigns for time outside all monitors, up to now.

    None where nobody will: a user's own program is not charged its start-up.
    """
    if _taken_over is not None:
        return _taken_over
    return not_recorded() if _charging_pid == os.getpid() else None


def not_recorded() -> Seconds:
    """Returns what this process has taken so far that no monitor has recorded."""
    elapsed = since_process_start()
    return Seconds(
        max(elapsed.duration_s - recorded.duration_s, 0.0),
        max(elapsed.cpu_s - recorded.cpu_s, 0.0),
    )


def since_process_start() -> Seconds:
    """Returns what this process has taken up to now; its ended children's CPU time included, as in the ledgers.

    Time in which the machine slept is left out, as it is in the ledgers.
    """
    age_s = process_clock.process_age_s()
    return Seconds(age_s - _foreign.duration_s, Clock().cpu_seconds() - _foreign.cpu_s)


def process_started_at() -> str:
    """Returns when this process started: ISO 8601, UTC."""
    return process_clock.process_started_at().isoformat(timespec="milliseconds")


def record_own_start(ledger: Path) -> None:
    """Records what a process that works for one campaign alone took while no monitor was open.

    Args:
        ledger: The campaign's; a row is appended if this process has written rows before.

    Raises:
        StorageError: It cannot be written.
    """
    started_at = process_started_at()  # a process long ago may have had this number
    rows = [
        row
        for row in read_rows(ledger, LedgerRow).rows
        if is_this_process(row.pid, row.host) and row.started_at >= started_at
    ]

    elapsed = since_process_start()
    rest = Seconds(max(elapsed.duration_s - recorded.duration_s, 0.0), max(elapsed.cpu_s - recorded.cpu_s, 0.0))
    row = unmetered_row(rows, rest)
    if row is not None:
        append_row(ledger, row)


def unmetered_row(rows: Sequence[LedgerRow], share: Seconds) -> LedgerRow | None:
    """Makes the ledger row of a campaign's share in the time that no monitor recorded.

    Args:
        rows: What this process has recorded for the campaign.
        share: The campaign's share in seconds and CPU seconds.

    Returns:
        A row of phase start_up; None if there are no rows to take the power from.
    """
    valid = [row for row in rows if row.status == "ok"]
    if not valid:
        return None
    last = valid[-1]

    # Energy at the mean power of the campaign's own rows
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
        phase=Phase.START_UP,
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


def _scaled(rows: Sequence[LedgerRow], energy: str, duration: str, share_s: float) -> float | None:
    """Returns `share_s` times the mean of `energy` per `duration` over the rows where both are known."""
    pairs = [(getattr(row, energy), getattr(row, duration)) for row in rows]
    known = [(kwh, seconds) for kwh, seconds in pairs if kwh is not None and seconds]

    total_s = sum(seconds for _, seconds in known)
    return sum(kwh for kwh, _ in known) / total_s * share_s if total_s else None


def watts(energy_kwh: float | None, seconds: float) -> float | None:
    """Returns the mean power in watts; None where the energy is not known or no time has passed."""
    return None if energy_kwh is None or not seconds else energy_kwh * JOULES_PER_KWH / seconds
