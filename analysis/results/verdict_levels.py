"""How strict each verdict of a setting has to be: earlier looks and other verdicts take their share of the error."""

from analysis.frames import columns
from analysis.frames.looks import Looks
from analysis.results.paired_tests import Paired, holm_levels
from analysis.results.search_gain import Gain
from analysis.results.verdict_pairs import Pair
from analysis.results.verdict_words import plain


def earlier_looks(looks: Looks, pair: Pair, seeds: int) -> tuple[int, ...]:
    """Returns the seeds at earlier looks; the same number again is no new look."""
    taken = looks.get(look_key(pair.setting, pair.strategy, pair.control), ())
    return tuple(look for look in taken if look < seeds)


def look_key(setting: tuple[str, ...], strategy: str, control: str) -> tuple[str, str, str]:
    """Returns what the looks at a verdict are kept under."""
    setting_id = dict(zip(columns.SETTING, setting, strict=True))["setting_id"]
    return setting_id, plain(strategy), plain(control)


def p_values_of(gain: Gain, tests: Paired, margin: float) -> tuple[float, float]:
    """Returns the p values of a gain above the margin and below it.

    Without any spread the interval is a point, which a few seeds can give by chance: the sign flips decide then.
    """
    if gain.standard_error == 0:
        return tests.p_above, tests.p_below
    return float(gain.p_above(margin)), float(gain.p_below(margin))


def levels_of(p_values: list[tuple[float, float]], alone: list[float]) -> list[tuple[float, float]]:
    """Returns the levels of both ends of each interval: the first pair's alone, the others' shared by Holm.

    Args:
        p_values: Of a gain above the margin and below it, pair by pair.
        alone: The level that each pair would have alone.
    """
    if not alone:
        return []

    above = holm_levels([p for p, _ in p_values[1:]], alone[1:])
    below = holm_levels([p for _, p in p_values[1:]], alone[1:])
    return [(alone[0], alone[0]), *zip(above, below, strict=True)]
