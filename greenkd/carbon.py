"""Carbon intensity of electricity, from tables that come with installed packages. No torch, no network.

Grams are always `energy_kwh x pue x intensity_g_per_kwh`, worked out by greenkd from stored energy, so every figure can
be priced again for another country without running anything again. Running (`energy.country=`) and analysing
(`--country`) look a country up here, in the same way.
"""

import csv
import dataclasses
import difflib
import functools
import importlib.metadata
import importlib.util
import json
from pathlib import Path
from typing import Any

from greenkd.errors import ConfigError

_GRAMS_PER_POUND = 453.59237
_NORDIC_ZONES = {"SWE": ("SE1", "SE2", "SE3", "SE4"), "NOR": ("NO1", "NO2", "NO3", "NO4", "NO5"), "FIN": ("FI",)}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Country:
    """A country, and the carbon intensity of its electricity."""

    code: str  # ISO 3166, three letters
    name: str  # in English
    g_per_kwh: float
    year: int
    table: str  # package and version that the figure comes with


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
        country: As for `find_country`; None for the world average, tagged as a default.
        region: A US state, Canadian or Chinese province by its English name, or a Nordic bidding zone ("SE3").
        intensity_g_per_kwh: A figure of the user's own, used instead of any table.

    Raises:
        ConfigError: The country or region is in no table; the message names near ones.

    >>> find_intensity().g_per_kwh, find_intensity(intensity_g_per_kwh=50).source
    (445.0, 'given by the user')
    """
    # A figure of the user's own
    if intensity_g_per_kwh is not None:
        if not 0 <= intensity_g_per_kwh < float("inf"):
            raise ConfigError(f"intensity_g_per_kwh={intensity_g_per_kwh}: give grams per kWh, 0 or more")
        place = "/".join(name for name in (country, region) if name) or "unnamed"
        return Intensity(
            g_per_kwh=intensity_g_per_kwh, source="given by the user", year=None, region=place, is_default=False
        )

    # The world
    if country is None:
        if region is not None:
            raise ConfigError(f"region={region}: give the country too, for instance country=USA region=california")
        return WORLD

    # A region, or a country
    known = find_country(country)
    if region is not None:
        return _regional(known.code, region)
    return Intensity(
        g_per_kwh=known.g_per_kwh,
        source="Our World in Data, table of codecarbon",
        year=known.year,
        region=known.code,
        is_default=False,
    )


def find_country(country: str) -> Country:
    """Looks a country up.

    Args:
        country: ISO 3166 code of three or two letters ("FRA", "FR"), or English name ("France"), in any case.

    Raises:
        ConfigError: The country is not in the table; the message names near ones.
    """
    countries = _countries()
    code = _codes().get(" ".join(country.upper().split()))
    if code is None:
        raise ConfigError(
            f"country={country}: no such country in the installed tables; "
            f"give an ISO 3166 code (FRA or FR) or an English name; near: {_near_countries(country, countries)}"
        )

    entry = countries[code]
    return Country(
        code=code,
        name=entry["country_name"],
        g_per_kwh=float(entry["carbon_intensity"]),
        year=int(entry["year"]),
        table=f"codecarbon {importlib.metadata.version('codecarbon')}",
    )


@functools.cache
def _codes() -> dict[str, str]:
    """Returns the code of three letters for every code and name that a country may be given by, in capitals."""
    codes = {}
    for code, entry in _countries().items():
        codes[code] = code
        codes[str(entry["country_name"]).upper()] = code

    # CodeCarbon's table has no codes of two letters, CarbonTracker's has.
    with _path("carbontracker", "data/carbon-intensities.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["Code"] in codes:
                codes.setdefault(row["alpha-2"].upper(), row["Code"])
                codes.setdefault(row["Entity"].upper(), row["Code"])
    codes.setdefault("NA", "NAM")  # the one country it lacks: "NA" is often read as "not available"

    return codes


def _near_countries(country: str, countries: dict[str, Any]) -> str:
    by_name = {str(entry["country_name"]).lower(): code for code, entry in countries.items()}

    near = [by_name[name] for name in difflib.get_close_matches(country.lower(), by_name, n=2, cutoff=0.7)]
    by_code = difflib.get_close_matches(country.upper(), countries, n=4, cutoff=0.5)
    near += [code for code in by_code if code not in near]

    return ", ".join(f"{code} ({countries[code]['country_name']})" for code in near or ["FRA", "DEU", "USA"])


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


def _countries() -> dict[str, Any]:
    return _table("global_energy_mix.json")


@functools.cache
def _table(name: str) -> dict[str, Any]:
    path = _path("codecarbon", f"data/private_infra/{name}")
    table: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return table


def _path(package: str, name: str) -> Path:
    """Finds a package's file without importing the package, which takes a third of a second and sets up its logger."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise ConfigError(f"the country tables come with {package}, which is not installed: pip install {package}")

    return Path(spec.submodule_search_locations[0]) / name
