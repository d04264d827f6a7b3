"""The strategies of every setting in one table: what each got, gained over the reference, and cost."""

import math
from collections.abc import Sequence

import pandas as pd

from analysis import units
from analysis.results.spending import spending_basis
from analysis.results.standings import Standing
from analysis.results.verdict_words import interval, plain, signed
from analysis.views.comparison_table import taus_in_words, trials_in_words
from analysis.views.metric_words import metric_words
from analysis.views.setting_names import setting_names
from analysis.views.table import Column, Table, make_table

REFERENCE = "reference"


def summary_table(found: Sequence[Standing]) -> Table:
    """Returns one row per setting and strategy.

    Args:
        found: What `standings` returned.
    """
    names = setting_names(standing.setting for standing in found)
    words = metric_words(standing.row["metric"] for standing in found)
    rows = [standing.row for standing in found]

    columns = []
    if len(names) > 1:
        columns.append(Column("setting", [names[standing.setting] for standing in found], words=True))
    columns += [
        Column("strategy", [plain(standing.strategy) for standing in found], words=True),
        Column("trainings", [trials_in_words(row) for row in rows], note="trainings: seeds × trainings per seed"),
        Column("chosen τ", [taus_in_words(row) for row in rows]),
        Column(f"test {words.header}", [words.mean_sd(row["test_score_mean"], row["test_score_sd"]) for row in rows]),
        *_cost_columns(found),
        Column(
            "gain, points",
            [_gain(standing) for standing in found],
            note="gain: over the reference of its setting, mean over seeds; all trials of a search count, weighted by "
            "their chance to be chosen, so it is not the difference of the scores beside it",
        ),
        Column("interval", [_interval(standing) for standing in found]),
        Column("verdict", [_verdict(standing) for standing in found], words=True),
    ]

    margins = {standing.verdict.margin for standing in found if standing.verdict is not None}
    asked = f": a gain of {min(margins):g} points is asked for" if margins else ""
    return make_table(f"What each strategy cost and bought{asked}", columns)


def _cost_columns(found: Sequence[Standing]) -> list[Column]:
    """Returns what choosing τ took, in one quantity for all rows, and its multiple of the reference's."""
    table = pd.DataFrame([standing.row for standing in found])
    basis = spending_basis(table["meter"], table, prefix="tuning_", of_all=False)
    if basis is None:
        return []

    factor, unit = units.scale(basis, table[f"tuning_{basis}"])
    spent = [units.figure(value * factor) for value in table[f"tuning_{basis}"]]
    multiples = [_multiple(standing, basis) for standing in found]
    return [
        Column(f"cost, {'CPU ' if basis == 'cpu_s' else ''}{unit}", spent, note=_COST_NOTE),
        Column("×reference", [units.multiple(value) for value in multiples]),
    ]


_COST_NOTE = (
    "cost: of choosing τ, mean per seed: every attempt, validation and the teacher's outputs; the teacher's training "
    "and the final test are not in it"
)


def _multiple(standing: Standing, basis: str) -> float:
    if standing.is_reference:
        return 1.0
    if standing.verdict is None:
        return math.nan
    return standing.verdict.costs.multiples.get(basis, math.nan)


def _gain(standing: Standing) -> str:
    return units.MISSING if standing.verdict is None else signed(float(standing.verdict.gain.value))


def _interval(standing: Standing) -> str:
    verdict = standing.verdict
    return units.MISSING if verdict is None or verdict.seeds < 2 else interval(verdict.low, verdict.high)


def _verdict(standing: Standing) -> str:
    if standing.is_reference:
        return REFERENCE
    return units.MISSING if standing.verdict is None else standing.verdict.decision
