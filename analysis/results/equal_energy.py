"""Equal energy: what each strategy could have had for the same kWh, from the trials at hand.

A strategy that searches spends it on points: a grid cut to k of its n points, drawn without replacement. A strategy of
one training spends it on seeds: k of the seeds at hand, the best by validation score. Both get the exact expected test
score of what validation would choose.
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames import columns
from analysis.frames.groupby import groups, of_setting, rows_of
from analysis.frames.load import Sweep
from analysis.frames.selection import best_first
from analysis.results.cost_to_reach import attempts_of, best_weights, candidates, cost_to_reach
from analysis.results.spending import spending_basis
from greenkd.records import StrategyKind

_MOST_BUDGETS = 8
_SEARCHING = (StrategyKind.GRID, StrategyKind.SEARCH, StrategyKind.RESTARTS, StrategyKind.CUSTOM)

# What a strategy would get for its money after k points or seeds, and which of the two it is.
_Curves = dict[str, tuple[pd.DataFrame, str]]


def equal_energy(sweep: Sweep, runs: pd.DataFrame, reach: pd.DataFrame | None = None) -> pd.DataFrame:
    """Returns one row per setting, budget and strategy.

    Columns: the setting's, `metric`, `basis` (the cost column that budgets are in), `budget`, `strategy`, `spent`, `k`,
    `of` (what there was to choose from), `what` ("points" or "seeds"), `test_score`, `val_score` (expected).

    Args:
        sweep: The records.
        runs: One row per strategy and seed.
        reach: What `cost_to_reach` returned for them; None works it out.
    """
    reach = cost_to_reach(sweep, runs) if reach is None else reach
    if reach.empty:
        return pd.DataFrame()

    rows: list[dict[str, Any]] = []
    for key, setting in groups(runs, columns.SETTING):
        reach_here = of_setting(reach, key)
        basis = spending_basis(setting["meter"], reach_here)
        if basis is None:
            continue

        labels = dict(zip(columns.SETTING, key, strict=True)) | {"metric": setting.iloc[0]["metric"], "basis": basis}
        curves = _curves(sweep, setting, reach_here, basis)
        rows.extend(
            {**labels, "budget": budget, "strategy": strategy, "what": what} | _within(curve, basis, budget)
            for budget in _budgets(curves, basis)
            for strategy, (curve, what) in curves.items()
        )
    return pd.DataFrame(rows)


def _curves(sweep: Sweep, setting: pd.DataFrame, reach: pd.DataFrame, basis: str) -> _Curves:
    curves: _Curves = {}
    for (label,), group in groups(setting, ["strategy"], sort=False):
        first = group.iloc[0]
        is_search = first["kind"] in _SEARCHING
        if is_search or (first["kind"] == StrategyKind.ADAPTIVE and first["planned_trials"] > 1):
            curve, what = reach[reach["strategy"] == label], "points"
        else:
            curve, what = _seeds_curve(sweep, group, basis), "seeds"

        if len(curve):
            curves[label] = (curve, what)
    return curves


def _seeds_curve(sweep: Sweep, group: pd.DataFrame, basis: str) -> pd.DataFrame:
    """Returns the expected best of k seeds of a strategy of one training: each seed pays in full."""
    chosen_per_seed = [
        candidates(attempts_of(sweep, run)).head(1).assign(cost=run[f"tuning_{basis}"]) for run in rows_of(group)
    ]
    chosen = best_first(pd.concat(chosen_per_seed))
    chosen = chosen[chosen["test_score"].notna() & chosen["cost"].notna()]

    n = len(chosen)
    val, test = (chosen[name].to_numpy(dtype=np.float64) for name in ("val_score", "test_score"))
    rows = []
    for k in range(1, n + 1):
        weights = best_weights(n, k)
        rows.append(
            {
                "k": k,
                basis: k * float(chosen["cost"].mean()),
                "val_score": float(weights @ val),
                "test_score": float(weights @ test),
            }
        )
    return pd.DataFrame(rows)


def _budgets(curves: _Curves, basis: str) -> list[float]:
    """Returns what k trainings of the cheapest strategy cost, k = 1, 2, 4, …, up to the most expensive one in full."""
    if not curves:
        return []
    most = max(float(curve[basis].max()) for curve, _ in curves.values())
    one = min(float(curve[basis].min()) for curve, _ in curves.values())
    if not one > 0:
        return []

    steps = [one * 2**power for power in range(_MOST_BUDGETS - 1)]
    return [step for step in steps if step < 0.999 * most] + [most]


def _within(curve: pd.DataFrame, basis: str, budget: float) -> dict[str, Any]:
    """Returns how far a strategy gets with a budget; k is 0 where it does not pay for one."""
    affordable = curve[curve[basis] <= 1.001 * budget]  # costs of equal trainings differ in the third digit
    available = int(curve["k"].max())
    if affordable.empty:
        return {"k": 0, "of": available, "spent": 0.0, "val_score": math.nan, "test_score": math.nan}

    last = affordable.iloc[-1]
    return {
        "k": int(last["k"]),
        "of": available,
        "spent": float(last[basis]),
        "val_score": float(last["val_score"]),
        "test_score": float(last["test_score"]),
    }
