"""Re-pricing: grams and money from the joules on record, for another country, PUE, intensity or price.

Energy is stored at the device, so nothing has to be run again. The intensities are the tables that codecarbon and
carbontracker ship, read as files: importing either takes seconds and starts looking for hardware.
"""

import csv
import dataclasses
import difflib
import functools
import importlib.metadata
import importlib.util
import json
import math
from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from greenkd.errors import AnalysisError
from greenkd.records import Costs

_TABLES = {
    "codecarbon": Path("data/private_infra/global_energy_mix.json"),
    "carbontracker": Path("data/carbon-intensities.csv"),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Intensity:
    """Carbon intensity of a country's electricity."""

    country: str  # ISO 3166 alpha-3
    name: str
    g_per_kwh: float
    year: int
    table: str  # package and version it comes from

    def __str__(self) -> str:
        return f"{self.name} {self.year}, table of {self.table}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pricing:
    """What replaces the recorded carbon intensity and PUE; None keeps what was recorded.

    Attributes:
        pue: Power usage effectiveness, at least 1.
        intensity_g_per_kwh: Carbon intensity.
        intensity_source: Where it comes from.
        price: Money per kWh at the meter of the building, in any currency.
    """

    pue: float | None = None
    intensity_g_per_kwh: float | None = None
    intensity_source: str = ""
    price: float | None = None

    def ledger(self, ledger: pd.DataFrame) -> pd.DataFrame:
        """Returns the ledger frame with its grams worked out anew."""
        if self.pue is None and self.intensity_g_per_kwh is None:
            return ledger

        changed: dict[str, float | str] = {}
        if self.pue is not None:
            changed["pue"] = self.pue
        if self.intensity_g_per_kwh is not None:
            changed |= {"intensity_g_per_kwh": self.intensity_g_per_kwh, "intensity_source": self.intensity_source}

        priced = ledger.assign(**changed)
        return priced.assign(co2eq_g=priced["energy_kwh"] * priced["pue"] * priced["intensity_g_per_kwh"])

    def costs(self, costs: Costs | None, *, pue: float, intensity_g_per_kwh: float) -> Costs | None:
        """Returns a recorded sum with its grams worked out anew.

        Args:
            costs: The sum, energy at the device.
            pue: PUE on the campaign's ledger, NaN where its rows differ; used where none is set here.
            intensity_g_per_kwh: The ledger's intensity, likewise.
        """
        if costs is None or (self.pue is None and self.intensity_g_per_kwh is None):
            return costs

        factor = (pue if self.pue is None else self.pue) * (
            intensity_g_per_kwh if self.intensity_g_per_kwh is None else self.intensity_g_per_kwh
        )
        known = costs.energy_kwh is not None and not math.isnan(factor)
        return dataclasses.replace(costs, co2eq_g=(costs.energy_kwh or 0.0) * factor if known else None)


def make_pricing(
    *,
    country: str | None = None,
    intensity: float | None = None,
    pue: float | None = None,
    price: float | None = None,
) -> Pricing:
    """Checks the options and looks the country up.

    Args:
        country: ISO code or English name of the country whose carbon intensity is to be used.
        intensity: Carbon intensity, g CO₂eq per kWh, instead of a country's.
        pue: Power usage effectiveness, 1 or more.
        price: Money per kWh at the meter of the building, in any currency.

    Raises:
        AnalysisError: An unknown country, a country beside an intensity, a PUE below 1, a negative figure.
    """
    if country is not None and intensity is not None:
        raise AnalysisError(f"--country {country} and --intensity {intensity:g} name two intensities; give one of them")
    for name, value, least in (("intensity", intensity, 0.0), ("pue", pue, 1.0), ("price", price, 0.0)):
        if value is not None and not (least <= value < math.inf):
            raise AnalysisError(f"--{name} {value:g} is out of range: it is a number of at least {least:g}")

    if country is not None:
        of_country = country_intensity(country)
        source = str(of_country)
        return Pricing(pue=pue, intensity_g_per_kwh=of_country.g_per_kwh, intensity_source=source, price=price)
    source = "" if intensity is None else "set on the command line"
    return Pricing(pue=pue, intensity_g_per_kwh=intensity, intensity_source=source, price=price)


def country_intensity(country: str) -> Intensity:
    """Returns the intensity of a country, by its ISO code (FRA or FR) or its English name.

    Raises:
        AnalysisError: No installed table knows it.
    """
    wanted = country.strip().upper()
    known = _intensities()
    if wanted in known:
        return known[wanted]

    names = sorted(key for key in known if len(key) > 3)
    close = difflib.get_close_matches(wanted, names, n=3) or difflib.get_close_matches(wanted, sorted(known), n=3)
    hint = f"; did you mean {', '.join(sorted({known[key].country for key in close}))}?" if close else ""
    raise AnalysisError(
        f"--country {country}: no such country in the installed tables; give an ISO code such as FRA, DEU, BGD{hint}"
    )


@functools.cache
def _intensities() -> dict[str, Intensity]:
    """Intensities by alpha-3 code, alpha-2 code and name; codecarbon's table, carbontracker's where it has none."""
    known: dict[str, Intensity] = {}
    for aliases, intensity in (*_codecarbon(), *_carbontracker()):
        first = known.get(intensity.country, intensity)
        for alias in aliases:
            known.setdefault(alias.upper(), first)
    return known


def _table(package: str) -> Path | None:
    """Returns the table that a package ships, found without importing the package; None where it is not installed."""
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(spec.submodule_search_locations[0]) / _TABLES[package]
    return path if path.exists() else None


def _label(package: str) -> str:
    return f"{package} {importlib.metadata.version(package)}"


def _codecarbon() -> Iterator[tuple[tuple[str, ...], Intensity]]:
    path = _table("codecarbon")
    if path is None:
        return

    for code, row in json.loads(path.read_text(encoding="utf-8")).items():
        if isinstance(row, dict) and row.get("carbon_intensity") is not None:
            intensity = Intensity(
                country=code,
                name=row["country_name"],
                g_per_kwh=float(row["carbon_intensity"]),
                year=int(row["year"]),
                table=_label("codecarbon"),
            )
            yield (code, row["country_name"]), intensity


def _carbontracker() -> Iterator[tuple[tuple[str, ...], Intensity]]:
    path = _table("carbontracker")
    if path is None:
        return

    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["Code"] and row["Carbon intensity of electricity (gCO2eq/kWh)"]:
                intensity = Intensity(
                    country=row["Code"],
                    name=row["Entity"],
                    g_per_kwh=float(row["Carbon intensity of electricity (gCO2eq/kWh)"]),
                    year=int(row["Year"]),
                    table=_label("carbontracker"),
                )
                yield (row["Code"], row["alpha-2"], row["Entity"]), intensity
