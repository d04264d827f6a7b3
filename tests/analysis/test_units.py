"""Figures as people read them."""

from analysis.units import figure, scale


def test_one_unit_per_column_from_the_magnitude() -> None:
    assert scale("energy_kwh", [0.0011, 0.02]) == (1e3, "Wh")
    assert scale("energy_kwh", [0.0011, 4.0]) == (1.0, "kWh")
    assert scale("energy_kwh", [float("nan")])[1] == "Wh"
    assert [figure(value) for value in (0.0, 0.06159, 1.1, 20.94, 2257.4, float("nan"))] == [
        "0", "0.0616", "1.10", "20.9", "2,257", "–",
    ]  # fmt: skip
