"""The words of a verdict: what it can say, and the sentence that says it."""

import math
from collections.abc import Sequence

from analysis import units

WORTH, NOT_WORTH, CANNOT_TELL = "worth it", "not worth it", "cannot tell"
BETTER, NO_BETTER = "better", "no better"  # of two that cost one training each
EQUAL = "equal"  # every training gave the same score

_ORDINALS = ("first", "second", "third", "fourth", "fifth")


def signed(points: float) -> str:
    """Returns percentage points with their sign."""
    return units.MISSING if math.isnan(points) else f"{points:+.2f}".replace("-", "−")


def interval(low: float, high: float) -> str:
    """Returns an interval of percentage points."""
    return units.MISSING if math.isnan(low) else f"{signed(low)} to {signed(high)}"


def plain(label: str) -> str:
    """Returns a strategy's label without the remark on where its row comes from."""
    return label.removesuffix(" (from grid, no extra cost)")


def place(setting: tuple[str, ...]) -> str:
    """Returns a setting as the beginning of a sentence."""
    dataset, teacher, student, objective, _ = setting
    return f"{dataset}, {teacher} → {student}, {objective}"


def look_in_words(earlier: Sequence[int]) -> str:
    """Returns which look this is, after those at some numbers of seeds."""
    number = len(earlier)
    ordinal = _ORDINALS[number] if number < len(_ORDINALS) else f"{number + 1}th"
    after = f" after {', '.join(str(seeds) for seeds in earlier)} seeds" if earlier else ""
    return f"{ordinal} look{after}"


def choice_in_words(choice: str, control: str, *, extra_trainings: float, costs: str) -> str:
    """Returns what choosing τ took, as the beginning of a sentence.

    Args:
        choice: What was done, such as `choosing τ from 19 values (grid)`.
        control: Label of the cheaper strategy.
        extra_trainings: Trainings that it took more, mean per seed.
        costs: What these cost, in words; may be empty.
    """
    if math.isnan(extra_trainings) or extra_trainings == 0:
        took = f"as many trainings per seed as {control}"
    else:
        count = units.figure(abs(extra_trainings)) if extra_trainings % 1 else f"{abs(extra_trainings):.0f}"
        noun = "training" if count == "1" else "trainings"
        took = f"{count} {'more' if extra_trainings > 0 else 'fewer'} {noun} per seed than {control}"
    return f"{choice} took {took}{f' ({costs})' if costs else ''}"


def gain_in_words(
    value: float,
    low: float,
    high: float,
    *,
    seeds: int,
    further: int,
    control: str,
    spread: bool,
    earlier: Sequence[int],
    crossed: tuple[float, float] | None = None,
) -> str:
    """Returns a gain and what it rests on.

    Args:
        value: The gain, points.
        low: Lower end of its interval.
        high: Upper end.
        seeds: Seeds that both strategies have.
        further: Seeds that the control alone has.
        control: Label of the control.
        spread: Whether seeds differ at all; without any spread there is no interval.
        earlier: Seeds at earlier looks.
        crossed: The interval's ends for other seeds and other test images, where they are to be told.
    """
    if seeds == 1:
        return f"{signed(value)} points in one seed"
    if not spread:
        return f"{signed(value)} points in each of {seeds} seeds"

    more = f" and {further} of {control} alone" if further else ""
    if math.isinf(high):
        return f"{signed(value)} points ({seeds} seeds{more}; the looks that were planned are spent)"
    images = f"; {interval(*crossed)} with other test images too" if crossed else ""
    return f"{signed(value)} points ({interval(low, high)}, {seeds} seeds{more}, {look_in_words(earlier)}{images})"
