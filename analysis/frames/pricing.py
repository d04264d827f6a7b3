"""Re-pricing: grams and money from the joules on record, for another country, PUE, intensity or price.

Energy is stored at the device, so nothing has to be run again. `greenkd.carbon` looks the countries up.
"""

import dataclasses
import math

import pandas as pd

from greenkd.carbon import Country, find_country
from greenkd.errors import AnalysisError, ConfigError
from greenkd.records import Costs


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
        entry = country_intensity(country)
        source = f"{entry.name} {entry.year}, table of {entry.table}"
        return Pricing(pue=pue, intensity_g_per_kwh=entry.g_per_kwh, intensity_source=source, price=price)
    source = "" if intensity is None else "set on the command line"
    return Pricing(pue=pue, intensity_g_per_kwh=intensity, intensity_source=source, price=price)


def country_intensity(country: str) -> Country:
    """Returns the entry of a country in the installed tables, by its ISO code (FRA or FR) or its English name.

    Raises:
        AnalysisError: No installed table knows it.
    """
    try:
        return find_country(country)
    except ConfigError as error:
        raise AnalysisError(str(error)) from error
