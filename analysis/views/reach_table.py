"""Cost to reach and equal energy as tables of text."""

import math
from typing import Any

import pandas as pd

from analysis import units
from analysis.frames import columns
from analysis.frames.groupby import groups, rows_of
from analysis.results.cost_to_reach import BAND
from analysis.results.verdict_words import plain
from analysis.views.metric_words import MetricWords, metric_words
from analysis.views.setting_names import setting_title
from analysis.views.table import Column, Table, make_table


def reach_tables(reach: pd.DataFrame) -> list[Table]:
    """Returns the values of the cost-to-reach curves, one table per setting.

    Args:
        reach: What `cost_to_reach` returned.
    """
    if reach.empty:
        return []
    return [_reach_table(key, curves) for key, curves in groups(reach, columns.SETTING)]


def _reach_table(key: tuple[str, ...], curves: pd.DataFrame) -> Table:
    rows = rows_of(curves)
    words = metric_words(curves["metric"])

    shown = [
        Column("strategy", [plain(row["strategy"]) for row in rows], words=True),
        Column("trials k", [str(row["k"]) for row in rows]),
    ]
    for name in ("energy_kwh", "co2eq_g", "flops", "duration_s"):
        factor, unit = units.scale(name, curves[name])
        shown.append(Column(unit, [units.figure(row[name] * factor) for row in rows]))

    low, high = (f"{100 * share:.0f}" for share in BAND)
    shown += [
        Column(f"best val. {words.header}", [words.text(row["val_score"]) for row in rows]),
        Column(f"{low} to {high} % of orders", [_band(row, words) for row in rows]),
        Column(f"test {words.header} of the chosen", [words.text(row["test_score"]) for row in rows]),
    ]
    return make_table(
        f"Cost to reach: {setting_title(key)}",
        shown,
        notes=(
            "grids: exact expectation over all orders of their trials; searches: as they ran; mean over seeds",
            "costs include overhead and the teacher's logits; failed and killed attempts are spread over the "
            "completed trials",
        ),
    )


def _band(row: dict[str, Any], words: MetricWords) -> str:
    if math.isnan(row["val_low"]):
        return units.MISSING
    return f"{words.text(row['val_low'])} to {words.text(row['val_high'])}"


def equal_energy_tables(budgets: pd.DataFrame) -> list[Table]:
    """Returns what each strategy could have had for the same budget: one table per setting, one row per budget.

    Args:
        budgets: What `equal_energy` returned.
    """
    if budgets.empty:
        return []
    return [_equal_energy_table(key, rows) for key, rows in groups(budgets, columns.SETTING)]


def _equal_energy_table(key: tuple[str, ...], budgets: pd.DataFrame) -> Table:
    words = metric_words(budgets["metric"])
    basis = str(budgets["basis"].iloc[0])
    factor, unit = units.scale(basis, budgets["budget"])

    by_budget = groups(budgets, ["budget"])
    shown = [Column(f"budget, {unit}", [units.figure(budget * factor) for (budget,), _ in by_budget])]
    for strategy in dict.fromkeys(budgets["strategy"]):
        rows = [rows_of(group[group["strategy"] == strategy])[0] for _, group in by_budget]
        shown.append(Column(plain(strategy), [_affordable(row, words) for row in rows]))

    return make_table(
        f"For equal {columns.SPENDING[basis]}: {setting_title(key)}",
        shown,
        notes=(
            f"test {words.name} in {words.unit} of what validation would choose: exact expectation over which of the "
            "trials (points) or of the seeds at hand are run, without replacement",
            "–: the budget does not pay for one; (all): nothing is left to spend it on, more seeds would be",
        ),
    )


def _affordable(row: dict[str, Any], words: MetricWords) -> str:
    """Returns the expected test score and what is bought for it, such as `91.20, 4 points (all)`."""
    if row["k"] == 0:
        return units.MISSING

    what = row["what"] if row["k"] != 1 else row["what"].removesuffix("s")
    all_of_them = " (all)" if row["k"] == row["of"] else ""
    return f"{words.text(row['test_score'])}, {row['k']} {what}{all_of_them}"
