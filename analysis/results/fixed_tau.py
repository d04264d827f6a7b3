"""Fixed τ as the control and as a grid.

Several `fixed` campaigns that differ only in τ are one grid, written the Hydra way. And every trial of a grid *is* a
training at a fixed τ, so a grid holds the fixed-τ control.
"""

import json
import math
from collections.abc import Iterator
from typing import Any

import pandas as pd

from analysis.frames import columns
from analysis.frames.groupby import joined, rows_of
from analysis.frames.selection import select_trial
from analysis.frames.trials import KILLED
from analysis.results.run_rows import (
    TrialCosts,
    carbon_text,
    final_costs,
    meter_text,
    once_costs,
    shared_values,
    startup_costs,
)
from greenkd.records import CampaignStatus, StrategyKind, TrialStatus

CONTROL_TAU = 4.0  # the default of the literature and of `temperature=fixed`
SWEPT = "grid (swept)"


def control_of_fixed(taus: set[float]) -> float | None:
    """Returns the τ of the control among those of `fixed` campaigns: the only one, or 4 among several, or None.

    Another of several is never taken for it: which one would then be a choice of τ, and no control of one.
    """
    if len(taus) == 1:
        return next(iter(taus))
    return CONTROL_TAU if CONTROL_TAU in taus else None


def taus_of_fixed(fixed: pd.DataFrame, trials: pd.DataFrame) -> "pd.Series[float]":
    """Returns τ of each `fixed` campaign: from its trial, else from its configuration, else NaN."""
    known = trials.loc[trials["campaign"].isin(fixed["campaign"]) & trials["tau"].notna(), ["campaign", "tau"]]
    first = known.drop_duplicates("campaign")
    from_trials: dict[int, float] = dict(zip(first["campaign"].tolist(), first["tau"].tolist(), strict=True))

    def tau(campaign: int, temperature: str) -> float:
        if campaign in from_trials:
            return from_trials[campaign]
        configured = json.loads(temperature).get("tau") if temperature else None
        return float(configured) if isinstance(configured, int | float) else math.nan

    pairs = zip(fixed["campaign"], fixed["temperature"], strict=True)
    return pd.Series([tau(campaign, temperature) for campaign, temperature in pairs], fixed.index, dtype="float64")


def swept_run(seed: int, members: pd.DataFrame, trials: pd.DataFrame, costs: TrialCosts) -> dict[str, Any]:
    """Returns the run of a grid made of `fixed` campaigns.

    It pays the teacher's logits and the students' images once, as a grid in one campaign does.

    Args:
        seed: The seed of all members.
        members: The campaigns, rows of the campaigns frame.
        trials: The trials of the setting.
        costs: What each trial took.
    """
    attempts = trials[trials["campaign"].isin(members["campaign"])]

    # What would be chosen, had the members been trials of one campaign.
    choice: dict[str, Any] = {"trial": math.nan, "chosen_tau": math.nan, "chosen_params": None}
    choice |= dict.fromkeys(("val_score", *columns.TEST_MEASURES), math.nan)
    choice |= final_costs(costs, math.nan, math.nan)
    best = select_trial(attempts)
    if best is not None:
        campaign = members.set_index("campaign").loc[best["campaign"]]
        choice = {
            "trial": float(best["trial"]),
            "chosen_tau": float(best["tau"]),
            "chosen_params": best["params"],
            "val_score": float(best["val_score"]),
            **{name: float(campaign[name]) for name in columns.TEST_MEASURES},
            **final_costs(costs, best["campaign"], best["trial"]),
        }

    rows = rows_of(members)
    once = pd.DataFrame([once_costs(row) for row in rows], index=members.index)
    tuning = {}
    for name in columns.COST_COLUMNS:
        total = (members[f"tuning_{name}"] - once[name]).sum(skipna=False) + once[name].max()
        tuning[f"tuning_{name}"] = float(total)

    return {
        **shared_values(rows[0]),
        "strategy": SWEPT,
        "kind": StrategyKind.GRID.value,
        "class": "search",
        "origin": "swept",
        "seed": seed,
        "campaigns": tuple(members["campaign"]),
        "planned_trials": int(members["planned_trials"].sum()),
        "complete_trials": int(members["complete_trials"].sum()),
        "attempts": int(members["attempts"].sum()),
        "killed": int((attempts["status"] == KILLED).sum()),
        "complete": bool((members["status"] == CampaignStatus.DONE).all()),
        "searched": {},
        "tau_source": None,
        **choice,
        **tuning,
        **{f"startup_{name}": float(members[f"startup_{name}"].sum(skipna=False)) for name in columns.COST_COLUMNS},
        "meter": joined(meter_text(row) for row in rows),
        "carbon": joined(carbon_text(row) for row in rows),
        "pue": float(members["pue"].iloc[0]) if members["pue"].nunique() == 1 else math.nan,
        "processor": joined(members["processor"]),
    }


def overhead_of_one_trial(setting: pd.DataFrame, costs: TrialCosts) -> dict[str, float]:
    """Returns what a campaign of one trial pays besides training, logits and images, on average over those at hand."""
    is_alone = (setting["planned_trials"] == 1) & (setting["status"] == CampaignStatus.DONE.value)
    campaigns = rows_of(setting[is_alone])
    if not campaigns:
        return dict.fromkeys(columns.COST_COLUMNS, 0.0)

    trained = [final_costs(costs, campaign["campaign"], campaign["chosen_trial"]) for campaign in campaigns]
    once = [once_costs(campaign) for campaign in campaigns]
    overhead = {}
    for name in columns.COST_COLUMNS:
        parts = zip(campaigns, trained, once, strict=True)
        total = math.fsum([run[f"tuning_{name}"] - final[f"final_{name}"] - own[name] for run, final, own in parts])
        overhead[name] = total / len(campaigns)
    return overhead


def control_runs(
    grids: pd.DataFrame, trials: pd.DataFrame, costs: TrialCosts, overhead: dict[str, float]
) -> Iterator[dict[str, Any]]:
    """Yields the fixed-τ control that a grid already paid for: its trial at τ = 4, charged as if it had been run alone.

    Of a grid that searches other settings too it is the trial in which these have the configuration's own values.
    That includes the overhead of a campaign, as campaigns of one trial (stochastic τ) pay it: without it the control
    would look cheaper than the same training under another name. A grid without τ = 4 holds no control.

    Args:
        grids: The campaigns of kind grid, rows of the campaigns frame.
        trials: The trials of the setting.
        costs: What each trial took.
        overhead: What `overhead_of_one_trial` returned for the setting.
    """
    is_of_grid = trials["campaign"].isin(grids["campaign"])
    is_control = (trials["tau"] == CONTROL_TAU) & trials["as_configured"]
    at_control = trials[is_of_grid & (trials["status"] == TrialStatus.COMPLETE) & is_control]
    first = {trial["campaign"]: trial for trial in reversed(rows_of(at_control))}
    attempts = trials[is_of_grid].groupby(["campaign", "trial"]).size().to_dict()

    seeds: set[int] = set()
    for campaign in rows_of(grids):
        trial = first.get(campaign["campaign"])
        if trial is None or campaign["seed"] in seeds:  # several grids of one seed hold the same training
            continue
        seeds.add(campaign["seed"])
        yield _control_run(campaign, trial, attempts[campaign["campaign"], trial["trial"]], costs, overhead)


def _control_run(
    campaign: dict[str, Any],
    trial: dict[str, Any],
    attempts: int,
    costs: TrialCosts,
    overhead: dict[str, float],
) -> dict[str, Any]:
    final = final_costs(costs, campaign["campaign"], trial["trial"])
    once = once_costs(campaign)

    return {
        **shared_values(campaign),
        "strategy": f"fixed τ={trial['tau']:g} (from grid, no extra cost)",
        "kind": StrategyKind.FIXED.value,
        "class": "fixed",
        "origin": "from grid",
        "campaigns": (campaign["campaign"],),
        "trial": float(trial["trial"]),
        "planned_trials": 1,
        "complete_trials": 1,
        "attempts": attempts,
        "killed": 0,
        "complete": not math.isnan(trial["test_score"]),
        "chosen_tau": trial["tau"],
        "chosen_params": trial["params"],
        "searched": {},
        "tau_source": None,
        "val_score": trial["val_score"],
        **{name: trial[name] for name in columns.TEST_MEASURES},
        **{f"tuning_{name}": final[f"final_{name}"] + once[name] + overhead[name] for name in columns.COST_COLUMNS},
        **startup_costs(campaign),
        **final,
    }
