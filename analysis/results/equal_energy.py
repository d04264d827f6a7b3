"""Equal energy: what each strategy could have had for the same kWh, from the trials at hand.

A strategy that searches spends it on points: a grid cut to k of its n points, drawn without replacement. A strategy of
one training spends it on seeds: k of the seeds at hand, the best by validation accuracy. Both get the exact expected
test accuracy of what validation would choose.
"""

import math
from typing import Any

import numpy as np
import pandas as pd

from analysis.frames import columns
from analysis.frames.groupby import groups, rows_of
from analysis.frames.load import Sweep
from analysis.results.cost_to_reach import attempts_of, best_weights, candidates, cost_to_reach
from greenkd.records import StrategyKind

_MOST_BUDGETS = 8
COST = {"energy_kwh": "energy", "cpu_s": "CPU time", "duration_s": "time"}


def equal_energy(sweep: Sweep, runs: pd.DataFrame) -> pd.DataFrame:
    """One row per setting, budget and strategy.

    Columns: the setting's, `basis` (the cost column that budgets are in), `budget`, `strategy`, `spent`, `k`,
    `of` (what there was to choose from), `what` ("points" or "seeds"), `test_score`, `val_score` (expected).
    """
    reach = cost_to_reach(sweep, runs)
    if reach.empty:
        return pd.DataFrame()
    rows: list[dict[str, Any]] = []
    for key, setting in groups(runs, columns.SETTING):
        names = dict(zip(columns.SETTING, key, strict=True))
        curves = {}
        own = reach[reach["setting_id"] == names["setting_id"]]
        own = own[(own[list(columns.SETTING)] == pd.Series(names)).all(axis=1)]
        basis = next((name for name in COST if own[name].notna().all()), None)
        if basis is None:
            continue
        for (label,), group in groups(setting, ["strategy"], sort=False):
            kind, planned = group.iloc[0]["kind"], group.iloc[0]["planned_trials"]
            searching = kind in (StrategyKind.GRID, StrategyKind.SEARCH, StrategyKind.CUSTOM)
            searching = searching or (kind == StrategyKind.ADAPTIVE and planned > 1)
            curve = own[own["strategy"] == label] if searching else _seeds_curve(sweep, group, basis)
            if len(curve):
                curves[label] = (curve, "points" if searching else "seeds")
        for budget in _budgets(curves, basis):
            for label, (curve, what) in curves.items():
                rows.append(
                    {**names, "basis": basis, "budget": budget, "strategy": label, "what": what}
                    | _within(curve, basis, budget)
                )
    return pd.DataFrame(rows)


def _seeds_curve(sweep: Sweep, group: pd.DataFrame, basis: str) -> pd.DataFrame:
    """Best of k seeds of a strategy of one training: each seed pays in full."""
    found = []
    for run in rows_of(group):
        best = candidates(attempts_of(sweep, run)).head(1)
        found.append(best.assign(cost=run[f"tuning_{basis}"], loss=best["val_loss"]))
    every = pd.concat(found)
    every = every[every["test_score"].notna() & every["cost"].notna()]
    every = every.sort_values(["val_score", "val_loss"], ascending=[False, True])
    n = len(every)
    rows = []
    for k in range(1, n + 1):
        weights = best_weights(n, k)
        rows.append(
            {
                "k": k,
                basis: k * float(every["cost"].mean()),
                "val_score": float(weights @ every["val_score"].to_numpy(dtype=np.float64)),
                "test_score": float(weights @ every["test_score"].to_numpy(dtype=np.float64)),
            }
        )
    return pd.DataFrame(rows)


def _budgets(curves: dict[str, tuple[pd.DataFrame, str]], basis: str) -> list[float]:
    """What k trainings of the cheapest strategy cost, k = 1, 2, 4, …, up to the dearest strategy in full."""
    ends = [float(curve[basis].max()) for curve, _ in curves.values()]
    one = min(float(curve[basis].min()) for curve, _ in curves.values()) if curves else math.nan
    if not ends or not one > 0:
        return []
    steps = [one * 2**power for power in range(_MOST_BUDGETS - 1)]
    return [step for step in steps if step < 0.999 * max(ends)] + [max(ends)]


def _within(curve: pd.DataFrame, basis: str, budget: float) -> dict[str, Any]:
    within = curve[curve[basis] <= 1.001 * budget]  # costs of equal trainings differ in the third digit
    last = within.iloc[-1] if len(within) else None
    return {
        "k": 0 if last is None else int(last["k"]),
        "of": int(curve["k"].max()),
        "spent": 0.0 if last is None else float(last[basis]),
        "val_score": math.nan if last is None else float(last["val_score"]),
        "test_score": math.nan if last is None else float(last["test_score"]),
    }
