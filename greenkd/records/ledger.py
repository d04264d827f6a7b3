"""The ledger: one row per metered interval, and sums of rows."""

import dataclasses
import math
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from greenkd.records.enums import Phase, Source
from greenkd.records.schema import SCHEMA_VERSION

T = TypeVar("T")

# Among the warnings of a row that no meter made: the campaign's share of what its command took outside all ledgers.
UNMETERED = "start-up and time between campaigns, unmetered: an equal share, at the mean power of this campaign's rows"
_FLOP_FIELDS = ("flops", "forward_flops")
_ENERGY_FIELDS = ("energy_kwh", "co2eq_g")


@dataclasses.dataclass(frozen=True, kw_only=True)
class SecondaryReading:
    """What another meter said of the same interval, in device energy at PUE 1."""

    meter: str
    method: str
    cpu_kwh: float | None
    gpu_kwh: float | None
    ram_kwh: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine's state around a row, which tells how far other work may have disturbed it. Shares are in [0, 1]."""

    load_before: float | None  # 1-minute load average
    load_after: float | None
    busy_share: float | None  # busy CPU time of the whole machine, of all CPU time
    steal_share: float | None  # CPU time the hypervisor gave to others
    pressure_share: float | None  # time in which some task waited for a CPU (Linux PSI)
    cpu_temperature_c: float | None = None
    gpu_temperature_c: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """One metered interval of one phase. Rows are increments: a total is the sum of its rows."""

    campaign_id: str
    phase: Phase
    trial: int | None  # None: of the campaign or the teacher, not of one trial
    attempt: int  # 0 for the first try
    started_at: str  # ISO 8601, UTC
    duration_s: float  # our own monotonic clock
    cpu_s: float | None  # CPU seconds of the process and its children
    energy_kwh: float | None  # at the device, PUE 1: the sum of the components below that are not None
    cpu_kwh: float | None
    gpu_kwh: float | None
    ram_kwh: float | None
    cpu_source: Source
    gpu_source: Source
    ram_source: Source
    meter: str  # name and version, "codecarbon 3.3.2"
    method: str  # counter, sampled_power, load_model, tdp_constant, cpu_time_model, simulated, none
    scope: str  # process, machine or device
    apportioned: bool  # True: a share of a longer reading; CPU energy divided by CPU seconds, the rest by seconds
    pue: float
    intensity_g_per_kwh: float | None
    intensity_source: str
    co2eq_g: float | None  # energy_kwh x pue x intensity_g_per_kwh
    flops: float | None  # forward and backward as executed; 1 MAC = 2 FLOPs; convolutions and matrix products only
    forward_flops: float | None  # the forward part alone, the way the paper counts
    images: int  # training or evaluation images processed
    status: str = "ok"  # ok, or invalid: an expected device read nothing, and energy_kwh is null
    warnings: tuple[str, ...] = ()
    sensor: str = ""  # what was read or assumed, in words
    pue_source: str = ""
    intensity_year: int | None = None
    intensity_region: str = ""
    intensity_is_default: bool | None = None  # True: nobody chose a country
    cpu_time_kwh: float | None = None  # the CPU-time model, recorded beside every meter
    secondary: tuple[SecondaryReading, ...] = ()  # meters that ran beside the one whose numbers stand above
    resolution_share: float | None = None  # timing error bound: 2 x sensor period / length of the readings; >1 unusable
    idle_w: float | None = None  # mean power of the last idle phase of this process; not subtracted from anything
    machine: Machine | None = None  # None: not readable here
    sharers: float | None = None  # metered processes a device's reading was divided among; None: not looked for
    pid: int | None = None
    host: str | None = None  # on which the number of the process holds: `greenkd.whereabouts.this_host`
    # Campaigns among which what their process took outside all ledgers is divided, once all of them are known; the row
    # stands in place of what its campaign was charged for the process before
    shared_among: int | None = None
    schema_version: int = SCHEMA_VERSION


@dataclasses.dataclass(frozen=True, kw_only=True)
class Costs:
    """A sum over ledger rows. A sum with a missing part is None, not smaller."""

    energy_kwh: float | None
    co2eq_g: float | None
    duration_s: float
    cpu_s: float | None
    flops: float | None
    forward_flops: float | None


def meter_of(row: LedgerRow) -> str:
    """Returns what made a row's energy, in words: energies may be added only where these are equal.

    A model is named with its wattage, since two wattages are two models. A meter's version is left out.
    """
    sources = {row.cpu_source, row.gpu_source, row.ram_source} - {Source.ABSENT}
    level = f"; {row.sensor}" if row.sensor and sources and Source.MEASURED not in sources else ""
    return f"{row.meter.rpartition(' ')[0] or row.meter} ({row.method}, {row.scope}{level})"


def is_start_up(row: LedgerRow) -> bool:
    """Tells whether a row is of the start of a process, which is no part of choosing τ."""
    return row.phase is Phase.START_UP or UNMETERED in row.warnings


def without_replaced(rows: list[T], get: Callable[[T, str], Any] = getattr) -> list[T]:
    """Leaves out what a campaign was charged for a process before all campaigns were known that share it.

    Args:
        rows: Of one campaign's ledger.
        get: Returns a row's field by name.
    """
    counted: dict[tuple[Any, ...], T] = {}
    for row in [row for row in rows if get(row, "shared_among") is not None]:
        process = _process(row, get)
        if process not in counted or get(row, "shared_among") >= get(counted[process], "shared_among"):
            counted[process] = row
    if not counted:
        return rows

    return [
        row
        for row in rows
        if UNMETERED not in (get(row, "warnings") or ()) or counted.get(_process(row, get), row) is row
    ]


def start_up_of(row: LedgerRow) -> tuple[Any, ...] | None:
    """Returns the process whose time outside all ledgers a row is a share of; None if it is no such row."""
    return _process(row, getattr) if UNMETERED in row.warnings else None


def _process(row: T, get: Callable[[T, str], Any]) -> tuple[Any, ...]:
    """Returns what tells processes apart, of a row that begins when its process began."""
    return get(row, "host"), get(row, "pid"), get(row, "started_at")


def sum_costs(rows: Iterable[LedgerRow]) -> Costs:
    """Adds up ledger rows; a figure that one of the rows lacks is None in the sum. The sum of no rows is zero.

    Energy and grams of rows that different meters made are None: only like is added to like. A row that processed no
    images has no FLOPs to count, so its missing FLOPs are 0, not unknown.
    """
    listed = list(rows)
    of_one_meter = len({meter_of(row) for row in listed}) <= 1

    def total(field: str) -> float | None:
        if field in _ENERGY_FIELDS and not of_one_meter:
            return None
        values = [getattr(row, field) for row in listed if not (field in _FLOP_FIELDS and row.images == 0)]
        return None if None in values else math.fsum(values)

    return Costs(
        energy_kwh=total("energy_kwh"),
        co2eq_g=total("co2eq_g"),
        duration_s=math.fsum(row.duration_s for row in listed),
        cpu_s=total("cpu_s"),
        flops=total("flops"),
        forward_flops=total("forward_flops"),
    )


def add_costs(costs: Iterable[Costs]) -> Costs:
    """Adds up sums; a figure that one of them lacks is None. The sum of none is zero."""
    listed = list(costs)

    def total(field: str) -> float | None:
        values = [getattr(part, field) for part in listed]
        return None if None in values else math.fsum(values)

    return Costs(
        energy_kwh=total("energy_kwh"),
        co2eq_g=total("co2eq_g"),
        duration_s=math.fsum(part.duration_s for part in listed),
        cpu_s=total("cpu_s"),
        flops=total("flops"),
        forward_flops=total("forward_flops"),
    )


def scale_costs(costs: Costs, factor: float) -> Costs:
    """Multiplies every figure by a factor; what is missing stays missing."""
    scaled: dict[str, Any] = {
        name: None if value is None else value * factor for name, value in dataclasses.asdict(costs).items()
    }
    return Costs(**scaled)
