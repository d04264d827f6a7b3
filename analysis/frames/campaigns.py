"""The campaigns frame: one row per campaign, from campaign.json, its configuration, its trials and its ledger."""

import functools
import json
import math
from pathlib import Path
from typing import Any, cast

import pandas as pd

from analysis.frames import columns
from analysis.frames.groupby import groups, of_campaigns, sum_or_missing
from analysis.frames.meters import NO_METER, meters_by_campaign
from analysis.frames.reading import parse_config, read_config_text, text_of_group
from analysis.frames.selection import select_trial
from analysis.frames.trials import TRIAL_PHASES, tau_of
from greenkd import records
from greenkd.identity import without_new_defaults
from greenkd.records import CampaignRecord, Phase, StrategyKind, TrialStatus

# What a strategy pays to find its τ. Test and idle windows belong to no strategy's search. The metered logits were paid
# by whichever campaign ran first, so every campaign is charged the `logits_costs` of its record instead, and likewise
# the `synthesis_costs`.
TUNING_PHASES = (*TRIAL_PHASES, Phase.OVERHEAD.value)

# Of campaigns of earlier versions, whose records do not say it.
_CLASS_OF = {
    StrategyKind.FIXED: "fixed",
    StrategyKind.TRANSFER: "fixed",
    StrategyKind.RESTARTS: "fixed",
    StrategyKind.GRID: "search",
    StrategyKind.SEARCH: "search",
    StrategyKind.STOCHASTIC: "random",
    StrategyKind.ADAPTIVE: "adaptive",
    StrategyKind.CUSTOM: "custom",
}


def campaigns_frame(
    campaign_records: dict[int, CampaignRecord], folders: dict[int, Path], trials: pd.DataFrame, ledger: pd.DataFrame
) -> pd.DataFrame:
    """Returns one row per campaign.

    Args:
        campaign_records: `campaign.json` of each campaign, by the campaign's number.
        folders: The campaigns' folders, likewise.
        trials: The trials frame.
        ledger: The ledger frame.
    """
    tuning = sum_or_missing(ledger[ledger["phase"].isin(TUNING_PHASES)], ["campaign"]).to_dict("index")
    startup = sum_or_missing(ledger[ledger["phase"] == Phase.START_UP.value], ["campaign"]).to_dict("index")
    constant_kw = _constant_power(ledger)
    attempts = trials["campaign"].value_counts().to_dict()
    is_complete = trials["status"] == TrialStatus.COMPLETE
    complete = trials[is_complete].groupby("campaign")["trial"].nunique().to_dict()
    undecided = [campaign for campaign, record in campaign_records.items() if record.chosen_trial is None]
    of_undecided = {campaign: group for (campaign,), group in groups(of_campaigns(trials, undecided), ["campaign"])}
    meters = meters_by_campaign(ledger)

    rows = []
    for campaign, record in campaign_records.items():
        row = _campaign_row(campaign, record, folders[campaign], of_undecided.get(campaign))
        row |= {"complete_trials": complete.get(campaign, 0), "attempts": attempts.get(campaign, 0)}
        for part in ("teacher", "logits", "synthesis"):
            row[f"{part}_constant_kwh"] = row[f"{part}_duration_s"] * constant_kw.get(campaign, math.nan)
        row |= _tuning_costs(record, row, tuning.get(campaign, {}))
        starts = startup.get(campaign, {})  # none: the command was killed before it could charge its start
        row |= {f"startup_{name}": _number(starts.get(name)) for name in columns.COST_COLUMNS}
        row |= meters.get(campaign, NO_METER)
        rows.append(row)
    frame = pd.DataFrame(rows, columns=list(columns.CAMPAIGNS))

    users = frame.groupby("teacher_key")["campaign"].transform("size")
    return frame.assign(teacher_users=users.where(frame["teacher_key"] != "", 0))


def _campaign_row(campaign: int, record: CampaignRecord, folder: Path, trials: pd.DataFrame | None) -> dict[str, Any]:
    """Returns what stands in a campaign's record; `trials` are those of one that has chosen none of them yet."""
    number, params, val_score = record.chosen_trial, record.chosen_params, record.val_score
    if number is None and trials is not None:
        # The campaign is not finished: its row shows what would be chosen by now.
        best = select_trial(trials)
        if best is not None:
            number, params, val_score = int(best["trial"]), best["params"], float(best["val_score"])

    names = ("campaign_id", "sweep", "status", *columns.SETTING, "strategy", "kind")
    return {
        "campaign": campaign,
        "folder": str(folder),
        **{name: str(getattr(record, name)) for name in names},
        "dataset": record.setting_label,
        "class": record.tau_class or _CLASS_OF[record.kind],
        "temperature": _temperature(folder),
        "seed": record.seed,
        "planned_trials": record.planned_trials,
        "chosen_trial": _number(number),
        "chosen_tau": tau_of(params),
        "chosen_params": params,
        "searched": record.searched,
        "tau_source": record.tau_source,
        "metric": record.metric,
        "val_score": _number(val_score),
        **_test_of(record, number),
        **_networks(record),
        **_costs("teacher", record.teacher_result.costs if record.teacher_result else None),
        **_costs("logits", record.logits_costs),
        **_costs("synthesis", record.synthesis_costs),
        "transfer": record.transfer,
        "selection": record.selection,
        "processor": " + ".join(filter(None, (record.environment.cpu, record.environment.gpu))),
        "message": record.message or "",
    }


def _test_of(record: CampaignRecord, chosen: float | None) -> dict[str, float]:
    """Returns what the test of the chosen trial says."""
    test = next((test for test in record.tests if test.trial == chosen), None)
    return {
        "test_score": _number(record.test_score),
        "test_loss": _number(test.loss if test else None),
        "test_calibration_error": _number(test.calibration_error if test else None),
    }


def _networks(record: CampaignRecord) -> dict[str, Any]:
    """Returns the sizes of student and teacher, and which teacher it was."""
    student, teacher = record.student_network, record.teacher_result
    return {
        "student_parameters": _number(student.parameters if student else None),
        "student_forward_flops_per_image": _number(student.forward_flops_per_image if student else None),
        "teacher_key": teacher.key if teacher else "",
        "teacher_parameters": _number(teacher.network.parameters if teacher else None),
        "teacher_forward_flops_per_image": _number(teacher.network.forward_flops_per_image if teacher else None),
        "teacher_test_score": _number(teacher.test_score if teacher else None),
    }


def _costs(prefix: str, costs: records.Costs | None) -> dict[str, float]:
    return {
        f"{prefix}_{name}": math.nan if costs is None else _number(getattr(costs, name, None))
        for name in columns.COST_COLUMNS
    }


def _tuning_costs(record: CampaignRecord, row: dict[str, Any], from_ledger: dict[Any, Any]) -> dict[str, float]:
    """Returns what choosing τ took: the ledger's tuning phases, and logits and synthetic images as if paid alone."""
    shared = {"logits": record.logits_costs, "synthesis": record.synthesis_costs}
    parts = [part for part, costs in shared.items() if costs is not None]

    return {
        f"tuning_{name}": _number(from_ledger.get(name)) + sum(row[f"{part}_{name}"] for part in parts)
        for name in columns.COST_COLUMNS
    }


def _constant_power(ledger: pd.DataFrame) -> dict[int, float]:
    """Returns the energy that each campaign's meter adds by the clock alone, kWh per second."""
    known = ledger[ledger["constant_kwh"].notna()]
    total = known.groupby("campaign")[["constant_kwh", "duration_s"]].sum()
    return cast("dict[int, float]", (total["constant_kwh"] / total["duration_s"]).to_dict())


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _temperature(folder: Path) -> str:
    """Returns the `temperature` group of the campaign's configuration as sorted JSON: it tells variants apart.

    Settings that came later and stand at their default are left out, so that campaigns of earlier versions are not
    variants of today's.
    """
    return _in_one_spelling(text_of_group(read_config_text(folder), "temperature"))


@functools.lru_cache(maxsize=4096)
def _in_one_spelling(text: bytes) -> str:
    group = parse_config(text).get("temperature")
    if not isinstance(group, dict):
        return ""
    return json.dumps(without_new_defaults(group, "temperature."), sort_keys=True, default=str)
