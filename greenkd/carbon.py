"""Carbon intensity of electricity, from tables that come with installed packages. No torch, no network.

Grams are always `energy_kwh x pue x intensity_g_per_kwh`, worked out by greenkd from stored energy, so every figure can
be priced again for another country without running anything again.
"""

import dataclasses
import difflib
import functools
import importlib.util
import json
from pathlib import Path
from typing import Any

from greenkd.errors import ConfigError

_GRAMS_PER_POUND = 453.59237
_NORDIC_ZONES = {"SWE": ("SE1", "SE2", "SE3", "SE4"), "NOR": ("NO1", "NO2", "NO3", "NO4", "NO5"), "FIN": ("FI",)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Intensity:
    """Grams of CO2 equivalent per kWh of electricity, and where the figure is from."""

    g_per_kwh: float
    source: str
    year: int | None
    region: str
    is_default: bool  # True: nobody chose a country


# The same figure as carbontracker's constant (a test compares them); CodeCarbon still carries 475 of the year 2019.
WORLD = Intensity(
    g_per_kwh=445.0, source="IEA Electricity 2025, world average", year=2024, region="world", is_default=True
)


def find_intensity(
    country: str | None = None, region: str | None = None, intensity_g_per_kwh: float | None = None
) -> Intensity:
    """Looks an intensity up.

    Args:
        country: ISO 3166 code of three letters ("FRA"); None for the world average, tagged as a default.
        region: A US state, Canadian or Chinese province by its English name, or a Nordic bidding zone ("SE3").
        intensity_g_per_kwh: A figure of the user's own, used instead of any table.

    Raises:
        ConfigError: The country or region is in no table; the message names near ones.
    """
    if intensity_g_per_kwh is not None:
        if not 0 <= intensity_g_per_kwh < float("inf"):
            raise ConfigError(f"intensity_g_per_kwh={intensity_g_per_kwh}: give grams per kWh, 0 or more")
        place = "/".join(name for name in (country, region) if name) or "unnamed"
        return Intensity(
            g_per_kwh=intensity_g_per_kwh, source="given by the user", year=None, region=place, is_default=False
        )
    if country is None:
        if region is not None:
            raise ConfigError(f"region={region}: give the country too, for instance country=USA region=california")
        return WORLD
    table = _countries()
    code = country.upper()
    if code not in table:
        raise ConfigError(f"country={country}: not a three-letter ISO 3166 code; {_near_country(country, table)}")
    if region is not None:
        return _regional(code, region)
    entry = table[code]
    return Intensity(
        g_per_kwh=float(entry["carbon_intensity"]),
        source="Our World in Data, table of codecarbon",
        year=int(entry["year"]),
        region=code,
        is_default=False,
    )


def _regional(code: str, region: str) -> Intensity:
    name = " ".join(region.lower().split())
    tables = {"USA": _states, "CAN": _canada, "CHN": _china} | dict.fromkeys(_NORDIC_ZONES, lambda: _nordic(code))
    if code not in tables:
        raise ConfigError(f"region={region}: no regional table for {code}, only for {', '.join(sorted(tables))}")
    figures, source, year = tables[code]()
    if name not in figures:
        near = difflib.get_close_matches(name, figures, n=3) or sorted(figures)
        raise ConfigError(f"region={region}: not a region of {code}; near: {', '.join(near)}")
    return Intensity(g_per_kwh=figures[name], source=source, year=year, region=f"{code}/{name}", is_default=False)


def _states() -> tuple[dict[str, float], str, int]:
    table = _table("2023/usa_emissions.json")
    figures = {
        name: entry["emissions"] * _GRAMS_PER_POUND / 1000  # pounds per MWh
        for name, entry in table.items()
        if not name.startswith("_")
    }
    return figures, "EPA eGRID, table of codecarbon", 2023


def _canada() -> tuple[dict[str, float], str, int]:
    mixes = _table("2023/canada_energy_mix.json")
    grams = _table("carbon_intensity_per_source.json")
    # Names differ between the two tables; hydro and the rest agree.
    alias = {"naturalGas": "natural_gas", "hydro": "hydroelectricity"}
    figures = {}
    for name, mix in mixes.items():
        parts = {alias.get(source, source): share for source, share in mix.items() if source != "total"}
        known = {source: share for source, share in parts.items() if source in grams}
        total = sum(parts.values())
        figures[name] = sum(share * grams[source] for source, share in known.items()) / total
    return figures, "provincial energy mix x intensity of each source, tables of codecarbon", 2023


def _china() -> tuple[dict[str, float], str, int]:
    table = _table("2023/china_provincial_emissions.json")
    figures = {name: float(entry["emission_factor"]) for entry in table["data"].values() for name in entry["names"]}
    return figures, "MEE provincial factors (CO2 only), table of codecarbon", 2023


def _nordic(code: str) -> tuple[dict[str, float], str, int]:
    table = _table("nordic_emissions.json")
    zones = {zone: entry for zone, entry in table["data"].items() if zone in _NORDIC_ZONES[code]}
    figures = {zone.lower(): float(entry["emission_factor"]) for zone, entry in zones.items()}
    return figures, "ENTSO-E bidding zones, table of codecarbon", 2025


def _near_country(country: str, table: dict[str, Any]) -> str:
    by_name = {str(entry["country_name"]).lower(): code for code, entry in table.items()}
    near = [by_name[name] for name in difflib.get_close_matches(country.lower(), by_name, n=2, cutoff=0.7)]
    near += [entry for entry in difflib.get_close_matches(country.upper(), table, n=4, cutoff=0.5) if entry not in near]
    if not near:
        near = ["FRA", "DEU", "USA"]
    return "near: " + ", ".join(f"{code} ({table[code]['country_name']})" for code in near)


def _countries() -> dict[str, Any]:
    return _table("global_energy_mix.json")


@functools.cache
def _table(name: str) -> dict[str, Any]:
    # Found without importing the package: codecarbon's import takes a third of a second and sets up its logger.
    spec = importlib.util.find_spec("codecarbon")
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError("the intensity tables come with codecarbon, which is not installed: pip install codecarbon")
    path = Path(spec.submodule_search_locations[0]) / "data" / "private_infra" / name
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table
