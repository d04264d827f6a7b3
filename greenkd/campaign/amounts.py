"""Amounts that budgets speak of, in the units of their limits, by their names: kWh, grams, hours, 1e9 FLOPs."""

from collections.abc import Mapping
from pathlib import Path

from greenkd.errors import ConfigError
from greenkd.records import LedgerRow, is_start_up, meter_of
from greenkd.records.metering import OwnTerms, is_made_by

LEDGER_FIELDS = {
    "kwh": ("energy_kwh", 1.0),
    "co2_g": ("co2eq_g", 1.0),
    "hours": ("duration_s", 3600.0),
    "gflops": ("flops", 1e9),
}
Amounts = dict[str, float]


def plus(*parts: Mapping[str, float]) -> Amounts:
    """Returns the sum of some amounts."""
    total: Amounts = {}
    for part in parts:
        add(total, part)
    return total


def times(amounts: Mapping[str, float], factor: float) -> Amounts:
    """Returns amounts times a factor."""
    return {name: amount * factor for name, amount in amounts.items()}


def add(total: Amounts, more: Mapping[str, float]) -> None:
    """Adds amounts to a sum."""
    for name, amount in more.items():
        total[name] = total.get(name, 0.0) + amount


def amounts_of(row: LedgerRow) -> Amounts:
    """Returns what is known of a row; an unknown part cannot be held against a limit."""
    values = {name: (getattr(row, field), unit) for name, (field, unit) in LEDGER_FIELDS.items()}
    return {name: value / unit for name, (value, unit) in values.items() if value is not None}


def stated_in(terms: OwnTerms, row: LedgerRow, path: Path) -> Amounts:
    """Returns the amounts of a row, its energy in terms of one meter.

    Raises:
        ConfigError: Another meter made it, and this one reads a sensor: it can say nothing of that time.
    """
    amounts = amounts_of(row)
    if row.energy_kwh is None or is_made_by(row, terms.meter) or (is_start_up(row) and _is_like(row, terms.meter)):
        return amounts

    if terms.power is None:
        raise ConfigError(
            f"budget: {path} holds energy of {meter_of(row)}, which can be added to none of {terms.meter}; go on with "
            "the meter that it was begun with (energy=…), or limit budget.gflops or budget.hours instead"
        )
    energy_kwh = terms.power.energy_kwh(row)
    stated = {"kwh": energy_kwh, "co2_g": terms.grams(energy_kwh)}
    kept = {name: amount for name, amount in amounts.items() if name not in stated}
    return kept | {name: value for name, value in stated.items() if value is not None}


def _is_like(row: LedgerRow, meter: str) -> bool:
    """Tells whether a start-up, which is modelled at the mean power of its process's rows, is of the same meter."""
    return meter.startswith(meter_of(row).partition(";")[0].rstrip(")"))
