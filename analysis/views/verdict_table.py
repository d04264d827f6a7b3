"""The verdicts as a table of text, with the numbers behind them."""

import math
from collections.abc import Sequence

from analysis import units
from analysis.results.verdict import ALPHA, Verdict
from analysis.results.verdict_words import plain, signed
from analysis.views.metric_words import metric_words
from analysis.views.table import Column, Table, make_table


def verdict_table(judged: Sequence[Verdict], *, alpha: float = ALPHA) -> Table:
    """Returns a table with one row per verdict.

    Args:
        judged: What `verdicts` returned.
        alpha: The family-wise error rate that it was given.
    """
    words = metric_words(verdict.metric for verdict in judged)
    factor, unit = units.scale("energy_kwh", [verdict.extra_kwh for verdict in judged])
    gains = [verdict.paired for verdict in judged]

    # Who is held against whom, and the answer.
    columns = [
        Column("strategy", [plain(verdict.strategy) for verdict in judged], words=True),
        Column("over", [plain(verdict.control) for verdict in judged], words=True),
    ]
    if len({verdict.setting for verdict in judged}) > 1:
        columns.append(Column("setting", [" · ".join(verdict.setting) for verdict in judged], words=True))
    columns.append(Column("verdict", [verdict.decision for verdict in judged], words=True))

    # The gain and its tests, what it cost, and the tests that stand beside.
    columns += [
        Column("seeds", [str(gain.seeds) for gain in gains]),
        Column("gain, points", [signed(gain.mean) for gain in gains]),
        Column("95 % interval", [_interval(gain.low, gain.high) for gain in gains]),
        Column("p(worth)", [_p_value(verdict.p_worth) for verdict in judged]),
        Column("p(not)", [_p_value(verdict.p_not_worth) for verdict in judged]),
        Column("×energy", [units.multiple(verdict.cost_multiple) for verdict in judged]),
        Column(f"extra {unit}", [units.figure(verdict.extra_kwh * factor) for verdict in judged]),
        Column(f"{unit}/point", [units.figure(verdict.kwh_per_point * factor) for verdict in judged]),
        Column("more seeds", [_count(verdict.more_seeds) for verdict in judged]),
        Column("bootstrap 95 %", [_interval(gain.bootstrap_low, gain.bootstrap_high) for gain in gains]),
        Column("p(sign flips)", [_p_value(gain.p_permutation) for gain in gains]),
    ]

    margin = judged[0].margin if judged else math.nan
    return make_table(
        f"Is it worth its energy? Gains in test {words.name} of at least {margin:g} points are asked for",
        columns,
        notes=(
            f"gain: difference of test {words.plural} at the same seed, mean; interval: paired t, each on its own",
            f"p(worth): the gain exceeds the margin, p(not): it stays below; one-sided paired t, Holm-corrected over "
            f"the {len(judged)} rows; a verdict needs p ≤ {alpha:g}",
            "more seeds: to decide with power 0.8, if the gain and its spread are what they look like",
            "bootstrap: BCa, from 5 seeds on; p(sign flips): exact permutation test of no gain at all, two-sided, "
            "not corrected",
        ),
    )


def _p_value(value: float) -> str:
    if math.isnan(value):
        return units.MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _interval(low: float, high: float) -> str:
    return units.MISSING if math.isnan(low) else f"{signed(low)} to {signed(high)}"


def _count(value: int | None) -> str:
    return units.MISSING if value is None else str(value)
