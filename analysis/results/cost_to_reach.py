"""Cost to reach: the best validation accuracy so far against what was spent by then.

A grid's trials have no order of their own, so the accident of the order is averaged out exactly: after k of n trials
drawn without replacement, the best is the i-th best of all with probability C(n−i, k−1) / C(n, k). The same weights on
the test accuracies tell what the chosen trial really gets. A search's trials depend on each other and stay in the
order they were run in.
"""

import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from analysis.frames import columns
from analysis.frames.groupby import groups, rows_of
from analysis.frames.load import Sweep
from greenkd.records import StrategyKind, TrialStatus

Floats = NDArray[np.float64]
BAND = (0.05, 0.95)
# Kinds whose trials stay in the order they were run in. One with a rule may be searched in any way.
IN_ORDER = (StrategyKind.SEARCH, StrategyKind.CUSTOM, StrategyKind.ADAPTIVE)


def best_weights(n: int, k: int) -> Floats:
    """Probability that the i-th best of n is the best of k drawn without replacement.

    Args:
        n: Number of candidates.
        k: Number drawn, 1…n.

    Returns:
        Weights of shape [n], best first; they sum to one.

    Raises:
        ValueError: k is not in 1…n.
    """
    if not 1 <= k <= n:
        raise ValueError(f"k={k}: of {n} candidates 1 to {n} can be drawn")
    rank = np.arange(n)
    weights = special.binom(n - 1 - rank, k - 1) / special.binom(n, k)
    return np.asarray(np.where(rank <= n - k, weights, 0.0), dtype=np.float64)


def attempts_of(sweep: Sweep, run: dict[str, Any]) -> pd.DataFrame:
    """The attempts that a run paid for."""
    own = pd.concat(
        [sweep.trials_of[number] for number in run["campaigns"] if number in sweep.trials_of] or [_none(sweep)]
    )
    return own[own["trial"] == run["trial"]] if run["origin"] == "from grid" else own


def _none(sweep: Sweep) -> pd.DataFrame:
    return sweep.trials.iloc[:0]


def candidates(own: pd.DataFrame) -> pd.DataFrame:
    """The complete trials among attempts, best first by the rule that selects."""
    complete = own[(own["status"] == TrialStatus.COMPLETE) & own["val_score"].notna()]
    ordered = complete.sort_values(
        ["val_score", "val_loss", "campaign", "trial"], ascending=[False, True, True, True], kind="stable"
    )
    return ordered.drop_duplicates(["campaign", "trial"])


def cost_to_reach(sweep: Sweep, runs: pd.DataFrame) -> pd.DataFrame:
    """One row per setting, strategy and number of trials k, averaged over seeds.

    Columns: the setting's, `strategy`, `kind`, `order` (random: exact expectation; run: as run), `seeds`, `k`, the
    costs after k trials (overhead and logits included), `val_score` with its band `val_low`, `val_high` (5 to 95 %
    of the orders, mean over seeds), `test_score` of the trial chosen by then.
    """
    rows: list[dict[str, Any]] = []
    for key, group in groups(runs, [*columns.SETTING, "strategy"], sort=False):
        curves = [curve for run in rows_of(group) if (curve := _curve(sweep, run)) is not None]
        if not curves:
            continue
        every = pd.concat(curves)
        mean = every.groupby("k").mean()
        counts = every.groupby("k").size()
        names = dict(zip((*columns.SETTING, "strategy"), key, strict=True))
        kind = str(group.iloc[0]["kind"])
        order = "run" if kind in IN_ORDER else "random"
        rows.extend(
            {**names, "kind": kind, "order": order, "seeds": int(counts[k]), "k": int(k), **values}
            for k, values in zip(mean.index, rows_of(mean), strict=True)
            if counts[k] == len(curves)  # a seed with fewer trials would bend the mean where it ends
        )
    return pd.DataFrame(rows)


def _curve(sweep: Sweep, run: dict[str, Any]) -> pd.DataFrame | None:
    own = attempts_of(sweep, run)
    found = candidates(own)
    if found.empty:
        return None
    totals = own[list(columns.COST_COLUMNS)].sum(skipna=False).to_dict()
    in_order = run["kind"] in IN_ORDER
    shape = _as_run(found, own) if in_order else _shuffled(found, totals)
    before = {name: run[f"tuning_{name}"] - totals[name] for name in columns.COST_COLUMNS}
    return shape.assign(**{name: shape[name] + before[name] for name in columns.COST_COLUMNS})


def _shuffled(found: pd.DataFrame, totals: dict[Any, float]) -> pd.DataFrame:
    n = len(found)
    val = found["val_score"].to_numpy(dtype=np.float64)
    test = found["test_score"].to_numpy(dtype=np.float64)
    weights = np.stack([best_weights(n, k) for k in range(1, n + 1)])
    bands = np.asarray([_quantiles(val, row) for row in weights])
    k = np.arange(1, n + 1)
    # A trial that can no longer be the best must not spoil the mean with a missing test accuracy.
    tests = np.where(weights > 0, weights * test, 0.0).sum(axis=1)
    curve = {"k": k, "val_score": weights @ val, "val_low": bands[:, 0], "val_high": bands[:, 1]}
    # Failed and killed attempts are spread over the trials that were completed.
    spent = {name: totals[name] * k / n for name in columns.COST_COLUMNS}
    return pd.DataFrame(curve | {"test_score": tests} | spent)


def _quantiles(best_first: Floats, weights: Floats) -> tuple[float, float]:
    """Values below which at least 5 and 95 % of the orders end."""
    rising, mass = best_first[::-1], np.cumsum(weights[::-1])
    found = [int(np.searchsorted(mass, share - 1e-12)) for share in BAND]
    return float(rising[found[0]]), float(rising[min(found[1], len(rising) - 1)])


def _as_run(found: pd.DataFrame, own: pd.DataFrame) -> pd.DataFrame:
    costs = own[list(columns.COST_COLUMNS)].groupby(own["trial"]).sum().cumsum()
    missing = own[list(columns.COST_COLUMNS)].isna().groupby(own["trial"]).any().cummax()
    costs = costs.mask(missing)
    rows = []
    for k, trial in enumerate(sorted(found["trial"]), start=1):
        best = found[found["trial"] <= trial].iloc[0]
        row = {
            "k": k,
            "val_score": float(best["val_score"]),
            "val_low": math.nan,
            "val_high": math.nan,
            "test_score": float(best["test_score"]),
        }
        rows.append(row | costs.loc[trial].to_dict())
    return pd.DataFrame(rows)
