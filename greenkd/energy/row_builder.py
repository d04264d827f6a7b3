"""What one bill has gathered since its last row was written."""

import os
from dataclasses import dataclass, field

from greenkd.carbon import Intensity
from greenkd.energy.meters.base import PARTS, Beside, Meter, Part, label
from greenkd.energy.window import JOULES_PER_KWH, NOTHING, Energies, PhaseKey, Segment, WindowEnergy, less_certain
from greenkd.records import LedgerRow, Machine, SecondaryReading


@dataclass(frozen=True, slots=True)
class CarbonTerms:
    """What is the same on every row of a monitor."""

    campaign_id: str
    intensity: Intensity
    pue: float
    pue_source: str
    watts_per_thread: float


@dataclass(slots=True)
class RowBuilder:
    """Increments of one bill, not yet written."""

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
    warnings: dict[str, None] = field(default_factory=dict)  # a set that keeps its order
    windows: int = 0
    windows_s: float = 0.0
    sharers_s: float | None = 0.0

    def add_work(self, images: int, flops: float | None, forward_flops: float | None) -> None:
        """Adds images and FLOPs; what is unknown once makes the sum unknown."""
        self.images += images
        self.flops = None if self.flops is None or flops is None else self.flops + flops
        known = self.forward_flops is not None and forward_flops is not None
        self.forward_flops = self.forward_flops + forward_flops if known else None  # type: ignore[operator]

    def add_window(
        self,
        segment: Segment,
        share: Energies,
        secondary: dict[Beside, Energies],
        window: WindowEnergy,
        *,
        window_s: float,
        apportioned: bool,
        sharers: float | None,
    ) -> None:
        """Adds one window's share."""
        self.duration_s += segment.seconds
        self.cpu_s += segment.cpu_s
        self.energies = _add(self.energies, share)
        self.secondary = {name: _add(self.secondary.get(name), value) for name, value in secondary.items()}
        self.apportioned |= apportioned
        self.invalid |= not window.valid
        self.warnings |= dict.fromkeys(window.warnings)
        self.windows += 1
        self.windows_s += window_s
        known = self.sharers_s is not None and sharers is not None
        self.sharers_s = self.sharers_s + sharers * window_s if known else None  # type: ignore[operator]

    def row(self, key: PhaseKey, meter: Meter, terms: CarbonTerms, machine: Machine, idle_w: float | None) -> LedgerRow:
        """Turns the entry into a ledger row."""
        energies = self.energies or NOTHING
        energy_kwh = None if self.invalid else energies.total
        intensity = terms.intensity
        edges = 2 * meter.resolution_s * self.windows
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
            resolution_share=edges / self.windows_s if self.windows_s else None,
            idle_w=idle_w,
            machine=machine,
            sharers=self.sharers_s / self.windows_s if self.sharers_s and self.windows_s else None,
            pid=os.getpid(),
        )


def _add(first: Energies | None, second: Energies) -> Energies:
    if first is None:
        return second

    def total(part: Part) -> float | None:
        left, right = first.kwh[part], second.kwh[part]
        return None if left is None or right is None else left + right

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
