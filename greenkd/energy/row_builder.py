"""What one phase has gathered since its last row was written."""

import os
from dataclasses import dataclass, field

from greenkd.carbon import Intensity
from greenkd.energy.meters.base import PARTS, Beside, Meter, Part, label
from greenkd.energy.window import JOULES_PER_KWH, NOTHING, Energies, PhaseKey, WindowShare, less_certain
from greenkd.records import LedgerRow, Machine, SecondaryReading
from greenkd.whereabouts import this_host


@dataclass(frozen=True, slots=True)
class CarbonTerms:
    """What is the same on every row of a monitor.

    Attributes:
        campaign_id: Of the campaign that spends the energy.
        intensity: Grams of CO2 equivalent per kWh.
        pue: Power usage effectiveness of the building.
        pue_source: Where that figure is from.
        watts_per_thread: Wattage of the CPU-time model that is recorded beside every meter.
    """

    campaign_id: str
    intensity: Intensity
    pue: float
    pue_source: str
    watts_per_thread: float


@dataclass(slots=True)
class RowBuilder:
    """Sums over one phase's shares of windows, until a ledger row is made of them.

    Attributes:
        started_at: When the row begins: ISO 8601, UTC.
        duration_s: Seconds of the phase.
        cpu_s: CPU seconds of the phase.
        images: Images processed.
        flops: FLOPs as executed; None if some were not countable.
        forward_flops: Those of the forward pass.
        energies: By the meter itself; None before the first window.
        secondary: By the meters that run beside it.
        apportioned: Whether a window was divided among several phases.
        invalid: Whether a window's energy is unknown.
        warnings: Of all windows, without repetition; the keys of a dictionary keep their order.
        windows: Number of windows.
        windows_s: Length of all these windows.
        sharers_s: Sum of sharers times length over the windows; None where the meter covers this process only.
    """

    started_at: str
    duration_s: float = 0.0
    cpu_s: float = 0.0
    images: int = 0
    flops: float | None = 0.0
    forward_flops: float | None = 0.0
    energies: Energies | None = None
    secondary: dict[Beside, Energies] = field(default_factory=dict)
    apportioned: bool = False
    invalid: bool = False
    warnings: dict[str, None] = field(default_factory=dict)
    windows: int = 0
    windows_s: float = 0.0
    sharers_s: float | None = 0.0

    def add_work(self, images: int, flops: float | None, forward_flops: float | None) -> None:
        """Adds images and FLOPs; what is unknown once makes the sum unknown."""
        self.images += images
        self.flops = None if self.flops is None or flops is None else self.flops + flops

        known = self.forward_flops is not None and forward_flops is not None
        self.forward_flops = self.forward_flops + forward_flops if known else None  # type: ignore[operator]

    def add_window(self, share: WindowShare) -> None:
        """Adds the phase's share of one window."""
        self.duration_s += share.segment.seconds
        self.cpu_s += share.segment.cpu_s

        self.energies = _add(self.energies, share.primary)
        self.secondary = {name: _add(self.secondary.get(name), value) for name, value in share.secondary.items()}

        self.apportioned |= share.apportioned
        self.invalid |= not share.valid
        self.warnings |= dict.fromkeys(share.warnings)

        self.windows += 1
        self.windows_s += share.window_s
        known = self.sharers_s is not None and share.sharers is not None
        self.sharers_s = self.sharers_s + share.sharers * share.window_s if known else None  # type: ignore[operator]

    def row(self, key: PhaseKey, meter: Meter, terms: CarbonTerms, machine: Machine, idle_w: float | None) -> LedgerRow:
        """Makes a ledger row of the sums.

        Args:
            key: The phase.
            meter: What was read.
            terms: Prices and names that stand on every row.
            machine: The machine's state around the row.
            idle_w: Mean power of the last idle phase; None if there was none.
        """
        energies = self.energies or NOTHING
        energy_kwh = None if self.invalid else energies.total
        intensity = terms.intensity

        # A reading may lie by one period of the sensor beside each end of a window.
        timing_error_s = 2 * meter.resolution_s * self.windows

        return LedgerRow(
            campaign_id=terms.campaign_id,
            phase=key.phase,
            trial=key.trial,
            attempt=key.attempt,
            started_at=self.started_at,
            duration_s=self.duration_s,
            cpu_s=self.cpu_s,
            energy_kwh=energy_kwh,
            cpu_kwh=energies.kwh["cpu"],
            gpu_kwh=energies.kwh["gpu"],
            ram_kwh=energies.kwh["ram"],
            cpu_source=energies.sources["cpu"],
            gpu_source=energies.sources["gpu"],
            ram_source=energies.sources["ram"],
            meter=label(meter),
            method=meter.method,
            scope=meter.scope,
            apportioned=self.apportioned,
            pue=terms.pue,
            intensity_g_per_kwh=intensity.g_per_kwh,
            intensity_source=intensity.source,
            co2eq_g=None if energy_kwh is None else energy_kwh * terms.pue * intensity.g_per_kwh,
            flops=self.flops,
            forward_flops=self.forward_flops,
            images=self.images,
            status="invalid" if self.invalid else "ok",
            warnings=tuple(self.warnings),
            sensor=meter.sensor,
            pue_source=terms.pue_source,
            intensity_year=intensity.year,
            intensity_region=intensity.region,
            intensity_is_default=intensity.is_default,
            cpu_time_kwh=self.cpu_s * terms.watts_per_thread / JOULES_PER_KWH,
            secondary=tuple(_secondary(beside, value) for beside, value in self.secondary.items()),
            resolution_share=timing_error_s / self.windows_s if self.windows_s else None,
            idle_w=idle_w,
            machine=machine,
            sharers=self.sharers_s / self.windows_s if self.sharers_s and self.windows_s else None,
            pid=os.getpid(),
            host=this_host(),
        )


def _add(first: Energies | None, second: Energies) -> Energies:
    if first is None:
        return second

    def total(part: Part) -> float | None:
        first_kwh, second_kwh = first.kwh[part], second.kwh[part]
        return None if first_kwh is None or second_kwh is None else first_kwh + second_kwh

    return Energies(
        {part: total(part) for part in PARTS},
        {part: less_certain(first.sources[part], second.sources[part]) for part in PARTS},
    )


def _secondary(beside: Beside, energies: Energies) -> SecondaryReading:
    return SecondaryReading(
        meter=beside.meter,
        method=beside.method,
        cpu_kwh=energies.kwh["cpu"],
        gpu_kwh=energies.kwh["gpu"],
        ram_kwh=energies.kwh["ram"],
    )
