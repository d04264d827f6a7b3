"""What the rows of the runs frame share: the setting, the teacher's costs, how the figures were made."""

import math
from typing import Any

from analysis.frames import columns
from analysis.frames.load import Sweep
from analysis.frames.trials import trial_costs

# What training and validating a trial took, all attempts, by campaign and trial; in the order of the cost columns.
TrialCosts = dict[tuple[float, float], tuple[float, ...]]

_UNKNOWN = (math.nan,) * len(columns.COST_COLUMNS)


def costs_of_trials(sweep: Sweep) -> TrialCosts:
    """Returns the costs of every trial that the ledger knows; a sum with a missing part is NaN."""
    costs = trial_costs(sweep.ledger, ["campaign", "trial"]).reset_index()
    keys, values = (
        zip(*(costs[name].tolist() for name in names), strict=True)
        for names in (("campaign", "trial"), columns.COST_COLUMNS)
    )
    return dict(zip(keys, values, strict=True))


def final_costs(costs: TrialCosts, campaign: float, trial: float) -> dict[str, float]:
    """Returns the `final_…` columns: what the one training that was picked took, NaN where the ledger lacks it."""
    of_trial = costs.get((campaign, trial), _UNKNOWN)
    return {f"final_{name}": cost for name, cost in zip(columns.COST_COLUMNS, of_trial, strict=True)}


def part_costs(campaign: dict[str, Any], part: str) -> dict[str, float]:
    """Returns what a part of tuning cost a campaign, zero where it needed none.

    Args:
        campaign: A row of the campaigns frame.
        part: "logits" or "synthesis".
    """
    needed = not math.isnan(campaign[f"{part}_duration_s"])
    return {name: campaign[f"{part}_{name}"] if needed else 0.0 for name in columns.COST_COLUMNS}


def once_costs(campaign: dict[str, Any]) -> dict[str, float]:
    """Returns what a campaign pays once for all its trials: the teacher's logits and the students' images."""
    logits, synthesis = part_costs(campaign, "logits"), part_costs(campaign, "synthesis")
    return {name: logits[name] + synthesis[name] for name in columns.COST_COLUMNS}


def startup_costs(campaign: dict[str, Any]) -> dict[str, float]:
    """Returns the `startup_…` columns of a campaign: its share of the start of the processes that worked for it."""
    return {f"startup_{name}": campaign[f"startup_{name}"] for name in columns.COST_COLUMNS}


def shared_values(campaign: dict[str, Any]) -> dict[str, Any]:
    """Returns what a run takes over unchanged from a row of the campaigns frame."""
    return {
        **{name: campaign[name] for name in (*columns.SETTING, "seed", "metric")},
        **{f"teacher_{name}": campaign[f"teacher_{name}"] for name in columns.COST_COLUMNS},
        **{f"synthesis_{name}": cost for name, cost in part_costs(campaign, "synthesis").items()},
        "teacher_users": campaign["teacher_users"],
        "meter": meter_text(campaign),
        "carbon": carbon_text(campaign),
        "pue": campaign["pue"],
        "processor": campaign["processor"],
    }


def meter_text(campaign: dict[str, Any]) -> str:
    """Returns how a campaign's energy was measured: energies whose texts are equal may be compared."""
    return f"{campaign['meter']} ({campaign['method']}, {campaign['scope']}; {campaign['sources']})"


def carbon_text(campaign: dict[str, Any]) -> str:
    """Returns the PUE and the carbon intensity behind a campaign's grams."""
    intensity, pue = campaign["intensity_g_per_kwh"], campaign["pue"]
    pue_text = "PUE unknown" if math.isnan(pue) else f"PUE {pue:g}"
    if math.isnan(intensity):
        return f"{pue_text}, intensity unknown"
    return f"{pue_text}, {intensity:g} g/kWh ({campaign['intensity_source']})"
