"""Figures as people read them: one unit per column, picked from the magnitude, named in the header."""

import math
from collections.abc import Iterable

MISSING = "–"

# Per quantity: (smallest of the largest values in base units, factor, name), largest unit first.
_SCALES: dict[str, tuple[tuple[float, float, str], ...]] = {
    "energy_kwh": ((0.1, 1.0, "kWh"), (1e-4, 1e3, "Wh"), (0.0, 1e6, "mWh")),
    "co2eq_g": ((1e4, 1e-3, "kg CO₂eq"), (0.1, 1.0, "g CO₂eq"), (0.0, 1e3, "mg CO₂eq")),
    "flops": ((1e17, 1e-15, "PFLOP"), (1e14, 1e-12, "TFLOP"), (0.0, 1e-9, "GFLOP")),
    "duration_s": ((36000.0, 1 / 3600, "h"), (1200.0, 1 / 60, "min"), (0.0, 1.0, "s")),
}
_SCALES["forward_flops"] = _SCALES["flops"]
_SCALES["cpu_s"] = _SCALES["duration_s"]


def scale(quantity: str, values: Iterable[float]) -> tuple[float, str]:
    """Returns the factor and the name of the unit that suits a column of values in base units.

    >>> scale("energy_kwh", [0.002, 0.0004])
    (1000.0, 'Wh')
    """
    largest = max((abs(value) for value in values if not math.isnan(value)), default=math.nan)
    for least, factor, name in _SCALES[quantity]:
        if largest >= least:
            return factor, name

    _, factor, name = _SCALES[quantity][-2]
    return factor, name


def amount(quantity: str, value: float) -> str:
    """Returns one amount with the unit that suits it, such as `2.4 Wh` or `31 CPU s`."""
    factor, unit = scale(quantity, [value])
    return f"{figure(value * factor)} {'CPU ' if quantity == 'cpu_s' else ''}{unit}"


def figure(value: float, digits: int = 3) -> str:
    """Returns a number with about `digits` significant digits, never in exponent notation; – for NaN.

    >>> figure(1234.5), figure(0.01234), figure(float("nan"))
    ('1,234', '0.0123', '–')
    """
    if math.isnan(value):
        return MISSING
    if value == 0:
        return "0"

    before_point = math.floor(math.log10(abs(value))) + 1
    return f"{value:,.{max(0, min(6, digits - before_point))}f}"


def fixed(value: float, digits: int = 2) -> str:
    """Returns a number with as many digits after the point; – for NaN."""
    return MISSING if math.isnan(value) else f"{value:.{digits}f}"


def mean_sd(mean: float, sd: float, digits: int = 2) -> str:
    """Returns mean ± standard deviation; the latter only where there is one.

    >>> mean_sd(95.934, 0.641), mean_sd(95.934, float("nan"))
    ('95.93 ± 0.64', '95.93')
    """
    return fixed(mean, digits) if math.isnan(sd) else f"{fixed(mean, digits)} ± {fixed(sd, digits)}"


def percent(value: float, digits: int = 2) -> str:
    """Returns a fraction as per cent, without the sign."""
    return fixed(100 * value, digits)


def multiple(value: float) -> str:
    """Returns a ratio, `12.3×`."""
    return MISSING if math.isnan(value) else f"{figure(value)}×"
