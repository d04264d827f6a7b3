import pytest
from carbontracker import constants
from codecarbon.core.emissions import Emissions
from codecarbon.core.units import Energy
from codecarbon.external.geography import GeoMetadata
from codecarbon.input import DataSource

from analysis.frames.pricing import country_intensity
from greenkd.carbon import WORLD, _codes, find_country, find_intensity
from greenkd.errors import AnalysisError, ConfigError


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


@pytest.mark.parametrize("country", ["fra", "FR", "fr", "France", "france "])
def test_a_country_may_be_named_by_either_code_or_its_name(country: str) -> None:
    assert find_intensity(country) == find_intensity("FRA")
    assert find_country(country) == find_country("FRA")


@pytest.mark.parametrize("country", ["FRA", "fr", "Germany"])
def test_the_analysis_looks_countries_up_in_the_same_way(country: str) -> None:
    assert country_intensity(country).g_per_kwh == find_intensity(country).g_per_kwh


def test_the_analysis_answers_unknown_countries_in_the_same_way() -> None:
    with pytest.raises(ConfigError) as when_running:
        find_intensity("Frnace")
    with pytest.raises(AnalysisError) as when_analysing:
        country_intensity("Frnace")
    assert str(when_analysing.value) == str(when_running.value)


def test_a_region_goes_with_a_code_of_two_letters() -> None:
    assert find_intensity("US", "california") == find_intensity("USA", "california")


def test_every_country_has_a_code_of_two_letters() -> None:
    codes = _codes()
    known = set(codes.values())
    assert len(known) > 200
    assert {codes[code] for code in codes if len(code) == 2} == known
    assert find_country("NA").name == "Namibia"


def test_a_figure_of_the_users_own() -> None:
    found = find_intensity("FRA", None, 12.5)
    assert (found.g_per_kwh, found.source, found.region) == (12.5, "given by the user", "FRA")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("FRC",), r"country=FRC: .*near: .*FRA \(France\)"),
        (("Germny",), r"near: DEU \(Germany\)"),
        (("FX",), r"country=FX: .*ISO 3166 code \(FRA or FR\)"),
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
