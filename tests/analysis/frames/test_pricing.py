"""Grams and money worked out anew."""

from pathlib import Path

import pytest

import analysis
from analysis.frames.pricing import country_intensity
from tests.analysis.sweeps import write_sweep


def test_repricing_changes_grams_and_nothing_else(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0,))
    before = analysis.compare(analysis.load(tmp_path)).table
    pricing = analysis.make_pricing(intensity=500.0, pue=1.5, price=0.25)
    after = analysis.compare(analysis.load(tmp_path, pricing=pricing)).table
    expected = before["tuning_energy_kwh"] * 1.5 * 500
    assert list(after["tuning_co2eq_g"]) == pytest.approx(list(expected))
    assert list(after["tuning_money"]) == pytest.approx(list(before["tuning_energy_kwh"] * 1.5 * 0.25))
    assert list(after["tuning_energy_kwh"]) == list(before["tuning_energy_kwh"])
    # The teacher's grams follow, so the multiple of it stays what energy says.
    assert list(after["co2eq_g_x_teacher"]) == pytest.approx(list(after["energy_kwh_x_teacher"]))


def test_only_a_new_pue_keeps_each_rows_intensity(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0,), intensity=56.0)
    after = analysis.compare(analysis.load(tmp_path, pricing=analysis.make_pricing(pue=2.0))).table
    assert list(after["tuning_co2eq_g"]) == pytest.approx(list(after["tuning_energy_kwh"] * 2 * 56))


def test_countries_come_from_the_installed_tables() -> None:
    france = country_intensity("FRA")
    assert 10 < france.g_per_kwh < 150
    assert country_intensity("fr") == country_intensity("France") == france
    assert "codecarbon" in france.table
    assert 2015 < france.year < 2100
