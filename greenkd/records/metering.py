"""Which energies may be added, and what a meter without a sensor says of time that another meter recorded.

Only like is added to like. Where a meter reads no sensor, its energy is a wattage times CPU seconds (a modelled
processor) or times seconds (a constant), so it can be worked out for any stretch of time. Where it reads a sensor, it
can say nothing of a time at which it was not read.
"""

import dataclasses
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from greenkd.records.enums import Source
from greenkd.records.ledger import Costs, LedgerRow, meter_of, sum_costs

PARTS = ("cpu", "gpu", "ram")


class _Times(Protocol):
    """What a power model needs to know of a stretch of time."""

    @property
    def cpu_s(self) -> float | None: ...

    @property
    def duration_s(self) -> float: ...


@dataclasses.dataclass(frozen=True)
class ModelledPower:
    """A meter that reads no sensor, as rates.

    Attributes:
        per_cpu_s: kWh for each CPU second, by part: those that are modelled.
        per_s: kWh for each second, by part: those that are a constant wattage.
    """

    per_cpu_s: Mapping[str, float]
    per_s: Mapping[str, float]

    def energy_kwh(self, times: _Times) -> float | None:
        """Returns the energy of a stretch of time; None where its CPU seconds are needed and not known."""
        if self.per_cpu_s and times.cpu_s is None:
            return None
        cpu_s = times.cpu_s or 0.0
        return math.fsum(self.per_cpu_s.values()) * cpu_s + math.fsum(self.per_s.values()) * times.duration_s


def modelled_power(
    sources: Mapping[str, Iterable[str]], kwh: Mapping[str, float], *, cpu_s: float, duration_s: float
) -> ModelledPower | None:
    """Reads the rates of a meter off what it has recorded.

    Args:
        sources: By part ("cpu", "gpu", "ram"), where its figures come from.
        kwh: By part, the energy it recorded; parts that are absent need none.
        cpu_s: CPU seconds of the same rows.
        duration_s: Seconds of the same rows.

    Returns:
        The rates; None where a part was measured or simulated, or nothing was recorded.
    """
    per_cpu_s, per_s = {}, {}
    for part in PARTS:
        origins = set(sources[part])
        if origins == {Source.MODELLED} and part == "cpu" and cpu_s > 0:
            per_cpu_s[part] = kwh[part] / cpu_s
        elif origins == {Source.CONSTANT} and duration_s > 0:
            per_s[part] = kwh[part] / duration_s
        elif origins != {Source.ABSENT}:
            return None

    return ModelledPower(per_cpu_s, per_s) if per_cpu_s or per_s else None


def power_of(rows: Iterable[LedgerRow]) -> ModelledPower | None:
    """Reads the rates of the meter that made some rows off them; None where it reads a sensor."""
    known = [row for row in rows if row.energy_kwh is not None]

    def total(field: str) -> float:
        return math.fsum(getattr(row, field) or 0.0 for row in known)

    return modelled_power(
        {part: {getattr(row, f"{part}_source") for row in known} for part in PARTS},
        {part: total(f"{part}_kwh") for part in PARTS},
        cpu_s=total("cpu_s"),
        duration_s=total("duration_s"),
    )


def meters_of(rows: Iterable[LedgerRow]) -> tuple[str, ...]:
    """Returns the meters that made some rows, in alphabetical order."""
    return tuple(sorted({meter_of(row) for row in rows}))


def is_made_by(row: LedgerRow, meter: str) -> bool:
    """Tells whether a meter, as `meter_of` names it, made a row; a row without energy does not tell its wattage."""
    name = meter_of(row)
    has_energy = row.energy_kwh is not None and not math.isnan(row.energy_kwh)
    return name == meter or (not has_energy and meter.startswith(name[:-1]))


@dataclasses.dataclass(frozen=True)
class OwnTerms:
    """The meter of a campaign, in whose terms it states what others have recorded.

    Attributes:
        meter: As `meter_of` names it.
        power: Its rates; None where it reads a sensor.
        pue: Power usage effectiveness for the grams.
        intensity_g_per_kwh: Carbon intensity for the grams; None where none is known.
    """

    meter: str
    power: ModelledPower | None
    pue: float
    intensity_g_per_kwh: float | None

    def grams(self, energy_kwh: float | None) -> float | None:
        """Returns the grams of an energy; None where it or the carbon intensity is not known."""
        if energy_kwh is None or self.intensity_g_per_kwh is None:
            return None
        return energy_kwh * self.pue * self.intensity_g_per_kwh

    def of(self, rows: Sequence[LedgerRow]) -> Costs:
        """Adds up rows of any meters; energy is what this meter has recorded, or would have where it is a model.

        Energy and grams of rows that another meter made are None where this meter reads a sensor.
        """
        return self._in_terms(rows, lambda row: None if self.power is None else self.power.energy_kwh(row))

    def per_image(self, rows: Sequence[LedgerRow]) -> Costs:
        """Adds up rows of equal work: what this meter recorded for some images holds for all of them.

        Where it has recorded nothing, as `of`.
        """
        like = [row for row in rows if meter_of(row) == self.meter and row.images]
        images = sum(row.images for row in like)
        known = sum_costs(like).energy_kwh if images else None
        if known is None:
            return self.of(rows)
        return self._in_terms(rows, lambda row: known * row.images / images)

    def _in_terms(self, rows: Sequence[LedgerRow], convert: Callable[[LedgerRow], float | None]) -> Costs:
        total = sum_costs(rows)
        if all(is_made_by(row, self.meter) for row in rows):
            return total

        def energy(row: LedgerRow) -> float | None:
            if is_made_by(row, self.meter):
                return row.energy_kwh
            return convert(row) if row.status == "ok" else None

        energies = [energy(row) for row in rows]
        energy_kwh = None if None in energies else math.fsum(value for value in energies if value is not None)
        return dataclasses.replace(total, energy_kwh=energy_kwh, co2eq_g=self.grams(energy_kwh))


def own_terms(rows: Sequence[LedgerRow]) -> OwnTerms | None:
    """Returns in whose terms a campaign counts, by its own ledger: its last meter; None without rows."""
    if not rows:
        return None

    # Of a row without energy the meter is known, but not all that tells it from another.
    last = next((row for row in reversed(rows) if row.energy_kwh is not None), rows[-1])
    meter = meter_of(last)
    power = power_of(row for row in rows if meter_of(row) == meter)
    return OwnTerms(meter, power, last.pue, last.intensity_g_per_kwh)
