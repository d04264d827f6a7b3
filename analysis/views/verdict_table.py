"""Verdicts, cost to reach and equal energy as tables of text."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis import units
from analysis.frames import columns
from analysis.frames.groupby import groups, rows_of
from analysis.results.cost_to_reach import BAND
from analysis.results.equal_energy import COST
from analysis.results.verdict import ALPHA, Verdict, plain, signed
from analysis.views.table import Table


def _p(value: float) -> str:
    if math.isnan(value):
        return units.MISSING
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _interval(low: float, high: float) -> str:
    return units.MISSING if math.isnan(low) else f"{signed(low)} to {signed(high)}"


def verdict_table(found: Sequence[Verdict], *, alpha: float = ALPHA) -> Table:
    """All verdicts, with the numbers behind them."""
    scale, unit = units.scale("energy_kwh", [verdict.extra_kwh for verdict in found])
    several = len({verdict.setting for verdict in found}) > 1
    rows = []
    for verdict in found:
        pairs = verdict.paired
        setting = (" · ".join(verdict.setting),) if several else ()
        rows.append(
            (
                plain(verdict.strategy),
                plain(verdict.control),
                *setting,
                verdict.decision,
                str(pairs.seeds),
                signed(pairs.mean),
                _interval(pairs.low, pairs.high),
                _p(verdict.p_worth),
                _p(verdict.p_not_worth),
                units.multiple(verdict.cost_multiple),
                units.figure(verdict.extra_kwh * scale),
                units.figure(verdict.kwh_per_point * scale),
                units.MISSING if verdict.more_seeds is None else str(verdict.more_seeds),
                _interval(pairs.bootstrap_low, pairs.bootstrap_high),
                _p(pairs.p_permutation),
            )
        )
    first = 2 + several
    margin = found[0].margin if found else math.nan
    return Table(
        title=f"Is it worth its energy? Gains in test accuracy of at least {margin:g} points are asked for",
        header=(
            "strategy",
            "over",
            *(("setting",) if several else ()),
            "verdict",
            "seeds",
            "gain, points",
            "95 % interval",
            "p(worth)",
            "p(not)",
            "×energy",
            f"extra {unit}",
            f"{unit}/point",
            "more seeds",
            "bootstrap 95 %",
            "p(sign flips)",
        ),
        rows=tuple(rows),
        notes=(
            "gain: difference of test accuracies at the same seed, mean; interval: paired t, each on its own",
            f"p(worth): the gain exceeds the margin, p(not): it stays below; one-sided paired t, Holm-corrected over "
            f"the {len(found)} rows; a verdict needs p ≤ {alpha:g}",
            "more seeds: to decide with power 0.8, if the gain and its spread are what they look like",
            "bootstrap: BCa, from 5 seeds on; p(sign flips): exact permutation test of no gain at all, two-sided, "
            "not corrected",
        ),
        left=frozenset(range(first + 1)),
        optional=tuple(first + offset for offset in (11, 12, 9, 8, 6, 5, 10)),
    )


def reach_tables(reach: pd.DataFrame) -> list[Table]:
    """The values of the cost-to-reach curves, one table per setting."""
    if reach.empty:
        return []
    tables = []
    for key, own in groups(reach, columns.SETTING):
        energy, energy_unit = units.scale("energy_kwh", own["energy_kwh"])
        grams, grams_unit = units.scale("co2eq_g", own["co2eq_g"])
        flops, flops_unit = units.scale("flops", own["flops"])
        seconds, seconds_unit = units.scale("duration_s", own["duration_s"])
        cells = tuple(
            (
                plain(row["strategy"]),
                str(row["k"]),
                units.figure(row["energy_kwh"] * energy),
                units.figure(row["co2eq_g"] * grams),
                units.figure(row["flops"] * flops),
                units.figure(row["duration_s"] * seconds),
                units.percent(row["val_score"]),
                units.MISSING
                if math.isnan(row["val_low"])
                else f"{units.percent(row['val_low'])} to {units.percent(row['val_high'])}",
                units.percent(row["test_score"]),
            )
            for row in rows_of(own)
        )
        tables.append(
            Table(
                title=f"Cost to reach: {key[0]} · {key[1]} → {key[2]} · {key[3]} · setting {key[4]}",
                header=(
                    "strategy",
                    "trials k",
                    energy_unit,
                    grams_unit,
                    flops_unit,
                    seconds_unit,
                    "best val. acc. %",
                    f"{100 * BAND[0]:.0f} to {100 * BAND[1]:.0f} % of orders",
                    "test acc. % of the chosen",
                ),
                rows=cells,
                notes=(
                    "grids: exact expectation over all orders of their trials; searches: as they ran; mean over seeds",
                    "costs include overhead and the teacher's logits; failed and killed attempts are spread over the "
                    "completed trials",
                ),
            )
        )
    return tables


def _counted(row: dict[str, Any]) -> str:
    return str(row["what"]) if row["k"] != 1 else str(row["what"]).removesuffix("s")


def equal_energy_tables(frame: pd.DataFrame) -> list[Table]:
    """What each strategy could have had for the same budget: one table per setting, one row per budget."""
    if frame.empty:
        return []
    tables = []
    for key, own in groups(frame, columns.SETTING):
        basis = str(own["basis"].iloc[0])
        factor, unit = units.scale(basis, own["budget"])
        strategies = list(dict.fromkeys(own["strategy"]))
        cells = []
        for (budget,), rows in groups(own, ["budget"]):
            by_strategy = {row["strategy"]: row for row in rows_of(rows)}
            texts = []
            for strategy in strategies:
                row = by_strategy[strategy]
                full = " (all)" if row["k"] == row["of"] else ""
                texts.append(
                    units.MISSING
                    if row["k"] == 0
                    else f"{units.percent(row['test_score'])}, {row['k']} {_counted(row)}{full}"
                )
            cells.append((units.figure(budget * factor), *texts))
        tables.append(
            Table(
                title=f"For equal {COST[basis]}: {key[0]} · {key[1]} → {key[2]} · {key[3]} · setting {key[4]}",
                header=(f"budget, {unit}", *(plain(strategy) for strategy in strategies)),
                rows=tuple(cells),
                notes=(
                    "test accuracy in % of what validation would choose: exact expectation over which of the trials "
                    "(points) or of the seeds at hand are run, without replacement",
                    "–: the budget does not pay for one; (all): nothing is left to spend it on, more seeds would be",
                ),
                left=frozenset(),
            )
        )
    return tables
