"""One row per strategy and seed: what a strategy chose, what it got, what it paid.

Three things make this more than the campaigns frame. Several `fixed` campaigns that differ only in τ are one grid,
written the Hydra way. Every trial of a grid *is* a training at a fixed τ, so a grid holds the fixed-τ control. And one
strategy run with different options is several strategies, told apart by the options that differ.
"""

import json
import math
from collections.abc import Iterator
from typing import Any, cast

import pandas as pd

from analysis.frames import columns
from analysis.frames.build import TRIAL_PHASES, choose
from analysis.frames.groupby import groups, joined, rows_of, sum_or_missing
from analysis.frames.load import Sweep
from greenkd.records import CampaignStatus, StrategyKind, TrialStatus

CONTROL_TAU = 4.0  # the default of the literature and of `temperature=fixed`
SWEPT = "grid (swept)"

TrialCosts = dict[tuple[float, float], dict[str, float]]  # by campaign and trial


def strategy_runs(sweep: Sweep) -> pd.DataFrame:
    """One row per setting, strategy and seed; columns in `analysis.frames.columns.RUNS`."""
    booked = sum_or_missing(
        sweep.ledger[sweep.ledger["trial"].notna() & sweep.ledger["phase"].isin(TRIAL_PHASES)], ["campaign", "trial"]
    )
    costs = cast("TrialCosts", booked.to_dict("index"))
    rows: list[dict[str, Any]] = []
    for _, setting in groups(sweep.campaigns, columns.SETTING):
        own = [sweep.trials_of[number] for number in setting["campaign"] if number in sweep.trials_of]
        rows.extend(_setting_runs(setting, pd.concat(own) if own else sweep.trials.iloc[:0], costs))
    frame = pd.DataFrame(rows, columns=list(columns.RUNS))
    rank = frame["kind"].map({kind.value: number for number, kind in enumerate(StrategyKind)})
    return (
        frame.assign(_rank=rank)
        .sort_values([*columns.SETTING, "_rank", "strategy", "seed"], ignore_index=True)
        .drop(columns="_rank")
    )


def _setting_runs(setting: pd.DataFrame, trials: pd.DataFrame, costs: TrialCosts) -> Iterator[dict[str, Any]]:
    is_fixed = setting["kind"] == StrategyKind.FIXED.value
    yield from _native(setting[~is_fixed], trials, costs)
    fixed = setting[is_fixed].assign(tau=_fixed_tau(setting[is_fixed], trials))
    taus = fixed["tau"].dropna()
    if len(taus):
        control = nearest(set(taus))
        yield from _native(fixed[fixed["tau"] == control], trials, costs, label=f"fixed τ={control:g}")
        for (seed,), members in groups(fixed[fixed["tau"].notna()], ["seed"]):
            if members["tau"].nunique() > 1:
                yield _swept(seed, members, trials, costs)
    else:
        yield from _native(fixed, trials, costs)
        start_up = _start_up(setting, costs)
        yield from _controls(setting[setting["kind"] == StrategyKind.GRID.value], trials, costs, start_up)


def nearest(taus: set[float]) -> float:
    """The τ of the control: 4, or the nearest there is (the lower of two)."""
    return min(taus, key=lambda tau: (abs(tau - CONTROL_TAU), tau))


def _fixed_tau(fixed: pd.DataFrame, trials: pd.DataFrame) -> "pd.Series[float]":
    """τ of each `fixed` campaign: from its trial, else from its configuration."""
    known = trials.dropna(subset=["tau"]).drop_duplicates("campaign").set_index("campaign")["tau"]

    def tau(campaign: int, temperature: str) -> float:
        if campaign in known.index:
            return float(known[campaign])
        configured = json.loads(temperature).get("tau") if temperature else None
        return float(configured) if isinstance(configured, int | float) else math.nan

    pairs = zip(fixed["campaign"], fixed["temperature"], strict=True)
    return pd.Series([tau(campaign, temperature) for campaign, temperature in pairs], fixed.index, dtype="float64")


def _variants(campaigns: pd.DataFrame) -> dict[int, str]:
    """A label for each campaign of one strategy: its name, and the options in which campaigns of that name differ."""
    labels: dict[int, str] = {}
    for (name,), group in groups(campaigns, ["strategy"]):
        options = {row["campaign"]: json.loads(row["temperature"] or "{}") for row in rows_of(group)}
        keys = sorted({key for option in options.values() for key in option})
        differing = [key for key in keys if len({json.dumps(option.get(key)) for option in options.values()}) > 1]
        for campaign, option in options.items():
            text = ", ".join(f"{key}={_short(option.get(key))}" for key in differing)
            labels[campaign] = f"{name} ({text})" if text else name
    return labels


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False).replace('"', "").replace(" ", "")
    return text if len(text) <= 24 else f"{text[:21]}…"


def _native(
    campaigns: pd.DataFrame, trials: pd.DataFrame, costs: TrialCosts, label: str | None = None
) -> Iterator[dict[str, Any]]:
    labels = _variants(campaigns)
    taken: dict[tuple[str, int], int] = {}
    for row in rows_of(campaigns):
        own = trials[trials["campaign"] == row["campaign"]]
        name = label or labels[row["campaign"]]
        count = taken[name, row["seed"]] = taken.get((name, row["seed"]), 0) + 1
        if count > 1:  # two campaigns that nothing in their configuration tells apart
            name = f"{name} #{count}"
        yield {
            **_shared(row),
            "strategy": name,
            "kind": row["kind"],
            "origin": "campaign",
            "campaigns": (row["campaign"],),
            "trial": row["chosen_trial"],
            "planned_trials": row["planned_trials"],
            "complete_trials": row["complete_trials"],
            "attempts": row["attempts"],
            "killed": int((own["status"] == "killed").sum()),
            "complete": row["status"] == CampaignStatus.DONE and not math.isnan(row["test_score"]),
            **{key: row[key] for key in ("chosen_tau", "chosen_params", "val_score", "test_score")},
            **{f"tuning_{key}": row[f"tuning_{key}"] for key in columns.COST_COLUMNS},
            **_final(costs, row["campaign"], row["chosen_trial"]),
        }


def _swept(seed: int, members: pd.DataFrame, trials: pd.DataFrame, costs: TrialCosts) -> dict[str, Any]:
    """A grid made of `fixed` campaigns. It pays the teacher's logits once, as a grid in one campaign does."""
    own = trials[trials["campaign"].isin(members["campaign"])]
    best = choose(own)
    chosen = None if best is None else members.set_index("campaign").loc[best["campaign"]]
    tuning = {}
    for key in columns.COST_COLUMNS:
        logits = members[f"logits_{key}"].fillna(0.0)
        total = (members[f"tuning_{key}"] - logits).sum(skipna=False) + logits.max()
        tuning[f"tuning_{key}"] = float(total)
    return {
        **_shared(rows_of(members)[0]),
        "strategy": SWEPT,
        "kind": StrategyKind.GRID.value,
        "origin": "swept",
        "seed": seed,
        "campaigns": tuple(members["campaign"]),
        "trial": math.nan if best is None else float(best["trial"]),
        "planned_trials": int(members["planned_trials"].sum()),
        "complete_trials": int(members["complete_trials"].sum()),
        "attempts": int(members["attempts"].sum()),
        "killed": int((own["status"] == "killed").sum()),
        "complete": bool((members["status"] == CampaignStatus.DONE).all()),
        "chosen_tau": math.nan if best is None else float(best["tau"]),
        "chosen_params": None if best is None else best["params"],
        "val_score": math.nan if best is None else float(best["val_score"]),
        "test_score": math.nan if chosen is None else float(chosen["test_score"]),
        **tuning,
        **_final(costs, *(math.nan, math.nan) if best is None else (best["campaign"], best["trial"])),
        "meter": joined(_meter(row) for row in rows_of(members)),
        "carbon": joined(_carbon(row) for row in rows_of(members)),
        "pue": float(members["pue"].iloc[0]) if members["pue"].nunique() == 1 else math.nan,
        "processor": joined(members["processor"]),
    }


def _start_up(setting: pd.DataFrame, costs: TrialCosts) -> dict[str, float]:
    """What a campaign of one trial pays besides its training and the logits, on average over those at hand."""
    alone = setting[(setting["planned_trials"] == 1) & (setting["status"] == CampaignStatus.DONE.value)]
    if alone.empty:
        return dict.fromkeys(columns.COST_COLUMNS, 0.0)
    rows = rows_of(alone)
    return {
        key: math.fsum(
            row[f"tuning_{key}"]
            - _final(costs, row["campaign"], row["chosen_trial"])[f"final_{key}"]
            - (0.0 if math.isnan(row["logits_duration_s"]) else row[f"logits_{key}"])
            for row in rows
        )
        / len(rows)
        for key in columns.COST_COLUMNS
    }


def _controls(
    grids: pd.DataFrame, trials: pd.DataFrame, costs: TrialCosts, start_up: dict[str, float]
) -> Iterator[dict[str, Any]]:
    """The fixed-τ control that a grid already paid for: its trial at τ = 4, charged as if it had been run alone.

    That includes the start-up of a campaign, as campaigns of one trial (stochastic τ) pay it: without it the control
    would look cheaper than the same training under another name.
    """
    complete = trials[
        trials["campaign"].isin(grids["campaign"]) & (trials["status"] == TrialStatus.COMPLETE) & trials["tau"].notna()
    ]
    if complete.empty:
        return
    everywhere = set.intersection(*(set(group["tau"]) for _, group in groups(complete, ["campaign"])))
    control = nearest(everywhere or set(complete["tau"]))
    seen: set[int] = set()
    for row in rows_of(grids):
        own = complete[(complete["campaign"] == row["campaign"]) & (complete["tau"] == control)]
        if own.empty or row["seed"] in seen:  # several grids of one seed hold the same training
            continue
        seen.add(row["seed"])
        trial = own.iloc[0]
        final = _final(costs, row["campaign"], trial["trial"])
        alone = {
            f"tuning_{key}": final[f"final_{key}"]
            + (0.0 if math.isnan(row["logits_duration_s"]) else row[f"logits_{key}"])
            + start_up[key]
            for key in columns.COST_COLUMNS
        }
        yield {
            **_shared(row),
            "strategy": f"fixed τ={control:g} (from grid, no extra cost)",
            "kind": StrategyKind.FIXED.value,
            "origin": "from grid",
            "campaigns": (row["campaign"],),
            "trial": float(trial["trial"]),
            "planned_trials": 1,
            "complete_trials": 1,
            "attempts": int(((trials["campaign"] == row["campaign"]) & (trials["trial"] == trial["trial"])).sum()),
            "killed": 0,
            "complete": not math.isnan(trial["test_score"]),
            "chosen_tau": control,
            "chosen_params": trial["params"],
            "val_score": trial["val_score"],
            "test_score": trial["test_score"],
            **alone,
            **final,
        }


def _shared(row: dict[str, Any]) -> dict[str, Any]:
    return {
        **{key: row[key] for key in (*columns.SETTING, "seed")},
        **{f"teacher_{key}": row[f"teacher_{key}"] for key in columns.COST_COLUMNS},
        "teacher_users": row["teacher_users"],
        "meter": _meter(row),
        "carbon": _carbon(row),
        "pue": row["pue"],
        "processor": row["processor"],
    }


def _meter(row: dict[str, Any]) -> str:
    return f"{row['meter']} ({row['method']}, {row['scope']}; {row['sources']})"


def _carbon(row: dict[str, Any]) -> str:
    intensity = row["intensity_g_per_kwh"]
    known = "intensity unknown" if math.isnan(intensity) else f"{intensity:g} g/kWh ({row['intensity_source']})"
    pue = "PUE unknown" if math.isnan(row["pue"]) else f"PUE {row['pue']:g}"
    return f"{pue}, {known}"


def _final(costs: TrialCosts, campaign: float, trial: float) -> dict[str, float]:
    booked = costs.get((campaign, trial), {})
    return {f"final_{key}": booked.get(key, math.nan) for key in columns.COST_COLUMNS}
