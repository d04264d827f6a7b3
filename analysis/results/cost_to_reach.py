"""Cost to reach: the best validation score so far against what was spent by then.

A grid's trials have no order of their own, so the accident of the order is averaged out exactly: after k of n trials
drawn without replacement, the best is the i-th best of all with probability C(n−i, k−1) / C(n, k). The same weights on
the test scores tell what the chosen trial really gets. A search's trials depend on each other and stay in the order
they were run in.
"""

import functools
import math
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from analysis.frames import columns
from analysis.frames.groupby import groups, rows_of
from analysis.frames.load import Sweep
from analysis.frames.selection import best_first
from analysis.results.run_rows import part_costs
from greenkd.records import StrategyKind, TrialStatus

Floats = NDArray[np.float64]
BAND = (0.05, 0.95)

_COSTS = list(columns.COST_COLUMNS)
# Kinds whose trials stay in the order they were run in. One with a rule may be searched in any way.
_IN_ORDER = (StrategyKind.SEARCH, StrategyKind.CUSTOM, StrategyKind.ADAPTIVE)


def best_weights(n: int, k: int) -> Floats:
    """Returns the probability that the i-th best of n is the best of k drawn without replacement.

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
    """Returns the attempts that a run paid for, all of its campaigns or the one trial it is of a grid."""
    attempts = sweep.trials_in(run["campaigns"])
    return attempts[attempts["trial"] == run["trial"]] if run["origin"] == "from grid" else attempts


def candidates(attempts: pd.DataFrame) -> pd.DataFrame:
    """Returns the complete trials among attempts, the one that validation selects first."""
    return best_first(attempts).drop_duplicates(["campaign", "trial"])


def cost_to_reach(sweep: Sweep, runs: pd.DataFrame) -> pd.DataFrame:
    """Returns one row per setting, strategy and number of trials k, averaged over seeds.

    Columns: the setting's, `strategy`, `kind`, `metric`, `order` (random: exact expectation; run: as run), `seeds`,
    `k`, the costs after k trials (overhead and logits included), `val_score` with its band `val_low`, `val_high` (5 to
    95 % of the orders, mean over seeds), `test_score` of the trial chosen by then.
    """
    rows: list[dict[str, Any]] = []
    for key, group in groups(runs, [*columns.SETTING, "strategy"], sort=False):
        curves = [curve for run in rows_of(group) if (curve := _curve(sweep, run)) is not None]
        if not curves:
            continue

        # A seed with fewer trials would bend the mean where it ends.
        fewest = min(len(curve["val_score"]) for curve in curves)
        mean = {name: _mean_of_known([curve[name][:fewest] for curve in curves]) for name in curves[0]}

        first = group.iloc[0]
        labels = dict(zip((*columns.SETTING, "strategy"), key, strict=True))
        labels |= {"kind": str(first["kind"]), "metric": first["metric"]}
        labels["order"] = "run" if first["kind"] in _IN_ORDER else "random"
        rows.extend(
            {**labels, "seeds": len(curves), "k": k + 1} | {name: float(values[k]) for name, values in mean.items()}
            for k in range(fewest)
        )
    return pd.DataFrame(rows)


def _mean_of_known(values: list[Floats]) -> Floats:
    """Returns the mean over seeds, of those whose value is known; NaN where none is."""
    stacked = np.stack(values)
    known = ~np.isnan(stacked)
    total, count = np.where(known, stacked, 0.0).sum(axis=0), known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), math.nan)


def _curve(sweep: Sweep, run: dict[str, Any]) -> dict[str, Floats] | None:
    """Returns scores and costs of one run after k = 1, 2, … trials; None where no trial is complete."""
    attempts = attempts_of(sweep, run)
    trials = candidates(attempts)
    if trials.empty:
        return None

    totals = {name: float(attempts[name].to_numpy().sum()) for name in _COSTS}
    curve = _curve_as_run(trials, attempts) if run["kind"] in _IN_ORDER else _expected_curve(trials, totals)

    # The teacher's logits of a restart are paid with it, as none of the others can use them.
    logits, count = _logits_by_trial(sweep, run, trials), len(trials)
    share = np.arange(1, count + 1) / count

    # What else the run paid besides its trials was paid before the first of them.
    for name in _COSTS:
        before = run[f"tuning_{name}"] - totals[name] - logits[name]
        curve[name] = curve[name] + before + logits[name] * share
    return curve


def _logits_by_trial(sweep: Sweep, run: dict[str, Any], trials: pd.DataFrame) -> dict[str, float]:
    """Returns what the logits cost that are paid trial by trial: those of restarts, which have seeds of their own."""
    restarts = {(params or {}).get("restart") for params in trials["params"]}
    if run["origin"] != "campaign" or len(restarts) < 2:
        return dict.fromkeys(_COSTS, 0.0)

    (campaign,) = run["campaigns"]
    of_campaign = sweep.campaigns.set_index("campaign").loc[campaign]
    return part_costs({str(name): value for name, value in of_campaign.items()}, "logits")


def _expected_curve(trials: pd.DataFrame, totals: dict[str, float]) -> dict[str, Floats]:
    """Returns the exact expectation over all orders in which the trials could have been run."""
    n = len(trials)
    weights, low, high = _orders_of(n)

    val = trials["val_score"].to_numpy(dtype=np.float64)
    scores = {"val_score": weights @ val, "val_low": val[low], "val_high": val[high]}

    # A trial that can no longer be the best must not spoil the mean with a missing test score.
    test = trials["test_score"].to_numpy(dtype=np.float64)
    scores["test_score"] = np.where(weights > 0, weights * test, 0.0).sum(axis=1)

    # Failed and killed attempts are spread over the trials that were completed.
    return scores | {name: totals[name] * np.arange(1, n + 1) / n for name in _COSTS}


@functools.lru_cache(maxsize=64)
def _orders_of(n: int) -> tuple[Floats, NDArray[np.intp], NDArray[np.intp]]:
    """Returns what all orders of n trials share: `best_weights` for each k, and the ranks at both ends of the band.

    Returns:
        Weights of shape [k, rank]; the ranks, best first, below whose values at least 5 and 95 % of the orders end.
    """
    weights = np.stack([best_weights(n, drawn) for drawn in range(1, n + 1)])
    mass = np.cumsum(weights[:, ::-1], axis=1)
    low, high = ((mass < share - 1e-12).sum(axis=1) for share in BAND)
    return weights, n - 1 - low, n - 1 - np.minimum(high, n - 1)


def _curve_as_run(trials: pd.DataFrame, attempts: pd.DataFrame) -> dict[str, Floats]:
    """Returns the best so far and the costs so far, in the order of the trial numbers.

    Where trials pause at rungs, all that precedes the last rung is paid before the first trial is complete.
    """
    order = attempts["trial"].to_numpy()
    if (attempts["status"] == TrialStatus.PAUSED).any():
        order = np.where(attempts["status"] == TrialStatus.COMPLETE, order, -1)

    # The best so far: trials stand best first, so it is the lowest place among those run by then.
    numbers = trials["trial"].to_numpy()
    as_run = np.argsort(numbers)
    best = np.minimum.accumulate(as_run)
    curve = {name: trials[name].to_numpy(dtype=np.float64)[best] for name in ("val_score", "test_score")}
    curve |= dict.fromkeys(("val_low", "val_high"), np.full(len(trials), math.nan))

    # The costs so far; a missing one makes all later sums missing.
    steps, step_of = np.unique(order, return_inverse=True)
    at = np.searchsorted(steps, numbers[as_run])
    for name in _COSTS:
        costs = attempts[name].to_numpy(dtype=np.float64)
        curve[name] = np.cumsum(np.bincount(step_of, weights=costs, minlength=len(steps)))[at]
    return curve
