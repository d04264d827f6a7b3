"""What the drawings of one setting share."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis import units
from analysis.frames import columns
from analysis.frames.groupby import rows_of
from analysis.frames.load import Sweep
from analysis.results.comparison import Comparison
from analysis.views.style import looks

WIDTH, HEIGHT = 7.0, 4.2  # inches

Drawn = tuple[str, str, str, Figure] | None


class Setting:
    """What the drawings of one setting share."""

    def __init__(
        self,
        sweep: Sweep,
        comparison: Comparison,
        key: tuple[str, ...],
        runs: pd.DataFrame,
        reach: pd.DataFrame,
        used: pd.DataFrame,
    ) -> None:
        self.sweep = sweep
        self.runs = runs
        self.rows = rows_of(_of(comparison.table, key))
        self.reach = _of(reach, key) if len(reach) else reach
        self.inference = _of(used, key)
        self.looks = looks((row["strategy"], row["kind"]) for row in self.rows)
        campaigns = sorted({number for run in runs["campaigns"] for number in run})
        self.ledger = sweep.ledger[sweep.ledger["campaign"].isin(campaigns)]
        self.trials = sweep.trials[sweep.trials["campaign"].isin(campaigns)]


def _of(frame: pd.DataFrame, key: tuple[str, ...]) -> pd.DataFrame:
    keep = pd.Series(True, index=frame.index)
    for name, value in zip(columns.SETTING, key, strict=True):
        keep &= frame[name] == value
    return frame[keep]


def panels_of(figure: Figure, count: int = 1) -> list[Axes]:
    """Panels side by side."""
    return [figure.add_subplot(1, count, number + 1) for number in range(count)]


def log_if_wide(axes: Axes, values: list[float]) -> None:
    """A logarithmic x axis with plain numbers, where the values span more than a factor of five."""
    known = [value for value in values if value > 0]
    if known and max(known) > 5 * min(known):
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: units.figure(value, 2))
        if max(known) < 100 * min(known):
            axes.xaxis.set_minor_formatter(lambda value, _: units.figure(value, 2) if _first(value) in (2, 5) else "")


def _first(value: float) -> int:
    return int(f"{value:e}"[0])
