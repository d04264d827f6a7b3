"""What the drawings of one setting share."""

import dataclasses
from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from analysis.frames.groupby import of_setting, rows_of
from analysis.frames.load import Sweep
from analysis.results.comparison import Comparison
from analysis.results.response import SettingResponse
from analysis.results.standings import Standing
from analysis.views.metric_words import metric_words
from analysis.views.style import looks

WIDTH, HEIGHT = 5.6, 3.4  # inches: read on a telephone too
PANEL_HEIGHT = 2.5  # of each of several panels, one above the other


@dataclasses.dataclass(frozen=True)
class Drawing:
    """A figure and what is said about it.

    Attributes:
        title: What it shows.
        caption: How to read it, with everything that is not on the axes.
        alt: What a reader who cannot see it has to know.
        figure: The drawing.
        points: By the id of a group of marks in the SVG, what is said of each mark.
    """

    title: str
    caption: str
    alt: str
    figure: Figure
    points: Mapping[str, Sequence[str]] = dataclasses.field(default_factory=dict)


class Setting:
    """The records and results of one setting, and how its strategies and scores are shown.

    Attributes:
        sweep: All records.
        runs: The setting's rows of the runs frame.
        rows: Its rows of the comparison table, as dictionaries.
        reach: Its rows of what `cost_to_reach` returned.
        inference: Its rows of what `inference` returned.
        response: What any τ can gain in it; None where fewer than two were trained.
        standings: Its strategies, each with its verdict over the reference.
        ledger: Its rows of the ledger frame.
        trials: Its rows of the trials frame.
        campaigns: The numbers of its campaigns.
        looks: The look of each strategy, by label.
        words: What its scores are called.
    """

    def __init__(
        self,
        sweep: Sweep,
        comparison: Comparison,
        key: tuple[str, ...],
        runs: pd.DataFrame,
        inference: pd.DataFrame,
        response: SettingResponse | None,
        standings: Sequence[Standing] = (),
    ) -> None:
        self.sweep = sweep
        self.runs = runs
        self.rows = rows_of(of_setting(comparison.table, key))
        self.reach = comparison.reach_of(key)
        self.inference = of_setting(inference, key)
        self.response = response
        self.standings = [standing for standing in standings if standing.setting == key]

        self.campaigns = tuple(sorted({number for numbers in runs["campaigns"] for number in numbers}))
        self.ledger = sweep.ledger[sweep.ledger["campaign"].isin(self.campaigns)]
        self.trials = sweep.trials[sweep.trials["campaign"].isin(self.campaigns)]

        self.looks = looks((row["strategy"], row["kind"]) for row in self.rows)
        self.words = metric_words(runs["metric"])


def panels_of(figure: Figure, count: int = 1) -> list[Axes]:
    """Adds panels one above the other, so that they can be read on a telephone, and returns them."""
    return [figure.add_subplot(count, 1, number + 1) for number in range(count)]


def log_if_wide(axes: Axes, values: list[float]) -> None:
    """Makes the x axis logarithmic, with plain numbers, where the values span more than a factor of five."""
    known = [value for value in values if value > 0]
    if not known or max(known) <= 5 * min(known):
        return

    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    if max(known) < 100 * min(known):
        axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if _first_digit(value) in (2, 5) else "")


def _first_digit(value: float) -> int:
    return int(f"{value:e}"[0])
