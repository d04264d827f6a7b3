"""The campaigns of a command in words: a line for each of a few, and what thousands have in common."""

from collections import Counter
from collections.abc import Iterable, Sequence

from greenkd.campaign.progress import CampaignState

LISTED = 100  # campaigns that have a line each; more are summed up

_SHOWN = 3  # lines of each kind, where campaigns are summed up
_AXES = (
    ("strategy", "strategies"),
    ("data set", "data sets"),
    ("teacher → student", "pairs"),
    ("objective", "objectives"),
    ("seed", "seeds"),
)


def describe(states: Sequence[CampaignState]) -> str:
    """Returns a line on the whole and an aligned line per campaign; of more than `LISTED` what they have in common."""
    if not states:
        return "campaigns are proposed one by one by the chosen sweeper"

    trials = sum(state.planned for state in states)
    ended = sum(state.ended for state in states)
    whole = f"{_count(len(states), 'campaign')}, {_count(trials, 'trial')}{f', {ended} of them done' if ended else ''}"
    lines = _lines(states) if len(states) <= LISTED else _summary(states)
    return "\n".join([whole, *lines])


def shortened(lines: Sequence[str], most: int, what: str) -> list[str]:
    """Returns lines, of more than so many the first and the last ones.

    Args:
        lines: The lines.
        most: How many may stand.
        what: What a line is of, as a plural.
    """
    if len(lines) <= most:
        return list(lines)
    return [*lines[:_SHOWN], f"  … {len(lines) - 2 * _SHOWN} more {what} …", *lines[-_SHOWN:]]


def _lines(states: Sequence[CampaignState]) -> list[str]:
    widths = [max(len(state.labels[column]) for state in states) for column in range(len(states[0].labels))]
    lines = []
    for state in states:
        labels = "  ".join(label.ljust(width) for label, width in zip(state.labels, widths, strict=True))
        lines.append(f"  {labels}  {_count(state.planned, 'trial'):>9}  {state.state}")
    return lines


def _summary(states: Sequence[CampaignState]) -> list[str]:
    """Returns what is combined with what, how many campaigns are how far, and some of them."""
    values = [list(dict.fromkeys(state.labels[column] for state in states)) for column in range(len(_AXES))]
    lines = [
        f"  {len(of_axis):>5} {singular if len(of_axis) == 1 else plural}: {_listed(of_axis)}"
        for (singular, plural), of_axis in zip(_AXES, values, strict=True)
    ]

    # To do and done are said of most; the others are few, and each is another case.
    usual = Counter(state.state for state in states if state.state in ("to do", "done"))
    begun = [state for state in states if state.state not in usual]
    lines += [f"  {count:>5} {words}" for words, count in usual.items()]
    if begun:
        lines += [f"  {len(begun):>5} begun:", *shortened(_lines(begun), 2 * _SHOWN + 1, "campaigns")]
    return [*lines, "  the first and the last of them:", *_lines([states[0], states[-1]])]


def _listed(values: Iterable[str]) -> str:
    names = [value.removeprefix("seed ") for value in values]
    return ", ".join(names if len(names) <= 2 * _SHOWN else [*names[:_SHOWN], "…", *names[-_SHOWN:]])


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
