import pytest
from carbontracker import constants
from codecarbon.core.emissions import Emissions
from codecarbon.core.units import Energy
from codecarbon.external.geography import GeoMetadata
from codecarbon.input import DataSource

from greenkd.carbon import WORLD, find_intensity
from greenkd.errors import ConfigError


def test_the_default_is_the_world_and_says_so() -> None:
    found = find_intensity()
    assert found is WORLD
    assert found.is_default
    assert found.g_per_kwh == constants.WORLD_AVG_CARBON_INTENSITY
    assert found.year == constants.WORLD_AVG_CARBON_INTENSITY_YEAR


@pytest.mark.parametrize(
    ("country", "region"),
    [("FRA", None), ("DEU", None), ("USA", None), ("USA", "california"), ("CHN", "beijing"), ("SWE", "SE3")],
)
def test_figures_agree_with_what_codecarbon_makes_of_its_tables(country: str, region: str | None) -> None:
    geo = GeoMetadata(country_iso_code=country, region=region)
    kilograms = Emissions(DataSource()).get_private_infra_emissions(Energy.from_energy(kWh=1.0), geo)
    found = find_intensity(country, region)
    assert found.g_per_kwh == pytest.approx(kilograms * 1000, rel=1e-3)
    assert not found.is_default
    assert found.year is not None
    assert found.year > 2000


def test_canadian_provinces_count_the_life_cycle_of_hydropower() -> None:
    # CodeCarbon counts fuels only and comes to 3.94 for Quebec; its country figures are life-cycle figures.
    quebec = find_intensity("CAN", "Quebec")
    by_hand = (0.2 * 743 + 0.3 * 816 + 0.7 * 230 + 6.7 * 26 + 92.1 * 26 + 0.01 * 48) / 100.01
    assert quebec.g_per_kwh == pytest.approx(by_hand, rel=1e-3)


def test_lower_case_codes_are_understood() -> None:
    assert find_intensity("fra") == find_intensity("FRA")


def test_a_figure_of_the_users_own() -> None:
    found = find_intensity("FRA", None, 12.5)
    assert (found.g_per_kwh, found.source, found.region) == (12.5, "given by the user", "FRA")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("FR",), r"country=FR: .*near: .*FRA \(France\)"),
        (("Germany",), r"near: DEU \(Germany\)"),
        (("XQZ",), "near: "),
        (("USA", "californa"), "near: california"),
        (("FRA", "bretagne"), "only for CAN, CHN, FIN, NOR, SWE, USA"),
        (("SWE", "NO1"), "near: se1"),
        ((None, "california"), "give the country too"),
        ((None, None, -1.0), "0 or more"),
        ((None, None, float("nan")), "0 or more"),
    ],
)
def test_unknown_places_are_answered_with_near_ones(arguments: tuple[object, ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        find_intensity(*arguments)  # type: ignore[arg-type]
