"""One look per strategy: colours that colour-blind readers tell apart, and a marker and line style for grey prints."""

import dataclasses
import itertools
from collections.abc import Iterable

from greenkd.records import StrategyKind


@dataclasses.dataclass(frozen=True)
class Look:
    """Colour, marker, line style and hatch of one strategy."""

    color: str
    marker: str
    line: str
    hatch: str
    plotly_symbol: str
    plotly_dash: str


# Okabe and Ito (2008), https://jfly.uni-koeln.de/color/, without the yellow, which is lost on white paper.
_LOOKS = {
    StrategyKind.FIXED: Look("#000000", "s", "--", "//", "square", "dash"),
    StrategyKind.GRID: Look("#0072B2", "o", "-", "", "circle", "solid"),
    StrategyKind.SEARCH: Look("#D55E00", "^", "-.", "\\\\", "triangle-up", "dashdot"),
    StrategyKind.TRANSFER: Look("#882255", "<", "--", "--", "triangle-left", "dash"),
    StrategyKind.STOCHASTIC: Look("#009E73", "D", ":", "xx", "diamond", "dot"),
    StrategyKind.RESTARTS: Look("#E69F00", "X", "-.", "oo", "x", "dashdot"),
    StrategyKind.ADAPTIVE: Look("#924900", "h", "--", "OO", "hexagon", "dashdot"),
    StrategyKind.CUSTOM: Look("#CC79A7", "v", "-", "..", "triangle-down", "solid"),
}
_MORE = (
    Look("#56B4E9", "P", "--", "++", "cross", "dash"),
    Look("#CC79A7", "v", ":", "..", "triangle-down", "dot"),
    Look("#7F7F7F", "p", "-", "--", "pentagon", "solid"),
)
TEACHER = Look("#7F3C8D", "*", "-", "", "star", "solid")


def looks(strategies: Iterable[tuple[str, str]]) -> dict[str, Look]:
    """Returns a look for each (label, kind); the second strategy of one kind gets another one."""
    looks_of: dict[str, Look] = {}
    more = itertools.cycle(_MORE)

    for label, kind in strategies:
        if label not in looks_of:
            look = _LOOKS[StrategyKind(kind)]
            looks_of[label] = look if look not in looks_of.values() else next(more)

    return looks_of
