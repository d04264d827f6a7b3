"""Looks of strategies and verdicts: colours that colour-blind readers tell apart, markers and lines for grey prints."""

import dataclasses
import itertools
from collections.abc import Iterable

from analysis.results.verdict_words import BETTER, CANNOT_TELL, EQUAL, NO_BETTER, NOT_WORTH, WORTH
from greenkd.records import StrategyKind


@dataclasses.dataclass(frozen=True)
class Look:
    """Colour, marker, line style and hatch of one strategy."""

    color: str
    marker: str
    line: str
    hatch: str


# Okabe and Ito (2008), https://jfly.uni-koeln.de/color/, without the yellow, which is lost on white paper.
_LOOKS = {
    StrategyKind.FIXED: Look("#000000", "s", "--", "//"),
    StrategyKind.GRID: Look("#0072B2", "o", "-", ""),
    StrategyKind.SEARCH: Look("#D55E00", "^", "-.", "\\\\"),
    StrategyKind.TRANSFER: Look("#882255", "<", "--", "--"),
    StrategyKind.STOCHASTIC: Look("#009E73", "D", ":", "xx"),
    StrategyKind.RESTARTS: Look("#E69F00", "X", "-.", "oo"),
    StrategyKind.ADAPTIVE: Look("#924900", "h", "--", "OO"),
    StrategyKind.CUSTOM: Look("#332288", ">", "-", "||"),
}
_MORE = (
    Look("#56B4E9", "P", "--", "++"),
    Look("#CC79A7", "v", ":", ".."),
    Look("#7F7F7F", "p", "-", "--"),
    Look("#999933", "d", "--", "**"),
    Look("#44AA99", "8", ":", "//"),
    Look("#661100", "<", "-", "\\\\"),
)
TEACHER = Look("#7F3C8D", "*", "-", "")

# Of the same palette, as dark as text on white paper has to be.
VERDICT_COLORS = {
    WORTH: "#00694B",
    BETTER: "#00694B",
    NOT_WORTH: "#A84300",
    NO_BETTER: "#A84300",
    CANNOT_TELL: "#4D5566",
    EQUAL: "#4D5566",
}


def looks(strategies: Iterable[tuple[str, str]]) -> dict[str, Look]:
    """Returns a look for each (label, kind); the second strategy of one kind gets another one."""
    looks_of: dict[str, Look] = {}
    more = itertools.cycle(_MORE)

    for label, kind in strategies:
        if label not in looks_of:
            look = _LOOKS[StrategyKind(kind)]
            looks_of[label] = look if look not in looks_of.values() else next(more)

    return looks_of
