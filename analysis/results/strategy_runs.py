"""One row per strategy and seed: what a strategy chose, what it got, what it paid.

Two things make this more than the campaigns frame. `fixed` campaigns may be a grid, and a grid holds the fixed-τ
control: see `analysis.results.fixed_tau`. And one strategy run with different options is several strategies, told apart
by the options that differ.
"""

import itertools
import json
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd

from analysis.frames import columns
from analysis.frames.groupby import groups, rows_of
from analysis.frames.load import Sweep
from analysis.frames.side_by_side import mapped
from analysis.frames.trials import KILLED
from analysis.results.fixed_tau import (
    control_of_fixed,
    control_runs,
    overhead_of_one_trial,
    swept_run,
    taus_of_fixed,
)
from analysis.results.run_rows import TrialCosts, costs_of_trials, final_costs, shared_values, startup_costs
from greenkd.records import CampaignStatus, StrategyKind, searching_name

_LONGEST_OPTION = 24  # letters of an option's value in a label


def strategy_runs(sweep: Sweep) -> pd.DataFrame:
    """Returns one row per setting, strategy and seed; columns in `analysis.frames.columns.RUNS`."""
    settings = _settings(sweep)
    parts = mapped(_runs_of_settings, settings, campaigns=len(sweep.folders), processes=sweep.processes)
    frame = pd.DataFrame(itertools.chain.from_iterable(parts), columns=list(columns.RUNS))

    # Kinds stand in the order in which they are declared: fixed first, searches after it.
    rank = frame["kind"].map({kind.value: number for number, kind in enumerate(StrategyKind)})
    ordered = frame.assign(_rank=rank).sort_values([*columns.SETTING, "_rank", "strategy", "seed"], ignore_index=True)
    return ordered.drop(columns="_rank")


# A setting's rows of the campaigns frame and of the trials frame, and what each of its trials took.
_Setting = tuple[pd.DataFrame, pd.DataFrame, TrialCosts]


def _settings(sweep: Sweep) -> list[_Setting]:
    costs = costs_of_trials(sweep)
    settings = []
    for _, campaigns in groups(sweep.campaigns, columns.SETTING):
        trials = sweep.trials_in(list(campaigns["campaign"]))
        keys = zip(trials["campaign"].tolist(), trials["trial"].tolist(), strict=True)
        settings.append((campaigns, trials, {key: costs[key] for key in keys if key in costs}))
    return settings


def _runs_of_settings(settings: Sequence[_Setting]) -> list[dict[str, Any]]:
    """Returns the rows of some settings, one after the other."""
    return [run for setting in settings for run in _setting_runs(*setting)]


def _setting_runs(setting: pd.DataFrame, trials: pd.DataFrame, costs: TrialCosts) -> Iterator[dict[str, Any]]:
    is_fixed = setting["kind"] == StrategyKind.FIXED.value
    yield from _campaign_runs(setting[~is_fixed], trials, costs)

    fixed = setting[is_fixed].assign(tau=taus_of_fixed(setting[is_fixed], trials))
    with_tau = fixed[fixed["tau"].notna()]
    if with_tau.empty:
        yield from _campaign_runs(fixed, trials, costs)

    # The control: `fixed` campaigns of it, or the trials that a grid already paid for.
    control_tau = control_of_fixed(set(with_tau["tau"]))
    if control_tau is not None:
        control = with_tau[with_tau["tau"] == control_tau]
        yield from _campaign_runs(control, trials, costs, label=f"fixed τ={control_tau:g}")
    else:
        grids = setting[setting["kind"] == StrategyKind.GRID.value]
        yield from control_runs(grids, trials, costs, overhead_of_one_trial(setting, costs))

    for (seed,), members in groups(with_tau, ["seed"]):
        if with_tau["tau"].nunique() > 1 and (control_tau is None or members["tau"].nunique() > 1):
            yield swept_run(seed, members, trials, costs)


def _campaign_runs(
    campaigns: pd.DataFrame, trials: pd.DataFrame, costs: TrialCosts, label: str | None = None
) -> Iterator[dict[str, Any]]:
    """Yields one run per campaign.

    Args:
        campaigns: Rows of the campaigns frame.
        trials: The trials of the setting.
        costs: What each trial took.
        label: The strategy's label; None takes its name and the options in which campaigns of that name differ.
    """
    variants = _variants(campaigns)
    counts: dict[tuple[str, int], int] = {}
    killed = trials.loc[trials["status"] == KILLED, "campaign"].value_counts().to_dict()

    for row in rows_of(campaigns):
        strategy = label or variants[row["campaign"]]
        count = counts[strategy, row["seed"]] = counts.get((strategy, row["seed"]), 0) + 1
        if count > 1:  # two campaigns that nothing in their configuration tells apart
            strategy = f"{strategy} #{count}"

        yield {
            **shared_values(row),
            "strategy": strategy,
            "kind": row["kind"],
            "class": row["class"],
            "origin": "campaign",
            "campaigns": (row["campaign"],),
            "trial": row["chosen_trial"],
            "planned_trials": row["planned_trials"],
            "complete_trials": row["complete_trials"],
            "attempts": row["attempts"],
            "killed": int(killed.get(row["campaign"], 0)),
            "complete": row["status"] == CampaignStatus.DONE and not math.isnan(row["test_score"]),
            **{name: row[name] for name in ("chosen_tau", "chosen_params", "searched", "tau_source")},
            **{name: row[name] for name in ("val_score", *columns.TEST_MEASURES)},
            **{f"tuning_{name}": row[f"tuning_{name}"] for name in columns.COST_COLUMNS},
            **startup_costs(row),
            **final_costs(costs, row["campaign"], row["chosen_trial"]),
        }


def _variants(campaigns: pd.DataFrame) -> dict[int, str]:
    """Returns a label for each campaign: its strategy, and the options in which campaigns of that strategy differ.

    What a strategy searched besides τ is a part of its label: `grid τ × objective.alpha`.
    """
    labels: dict[int, str] = {}
    texts_of: dict[str, dict[int, str]] = {}
    for row in rows_of(campaigns[["campaign", "strategy", "searched", "temperature"]]):
        texts = texts_of.setdefault(searching_name(row["strategy"], row["searched"]), {})
        texts[row["campaign"]] = row["temperature"] or "{}"

    for name, texts in texts_of.items():
        options = {text: json.loads(text) for text in texts.values()}
        keys = sorted({key for option in options.values() for key in option})
        differing = [key for key in keys if len({json.dumps(option.get(key)) for option in options.values()}) > 1]

        for campaign, text in texts.items():
            said = ", ".join(f"{key}={_short(options[text].get(key))}" for key in differing)
            labels[campaign] = f"{name} ({said})" if said else name
    return labels


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False).replace('"', "").replace(" ", "")
    return text if len(text) <= _LONGEST_OPTION else f"{text[: _LONGEST_OPTION - 3]}…"
