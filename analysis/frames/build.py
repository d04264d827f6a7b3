"""From records and ledger rows to the trials and campaigns frames."""

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from analysis.frames import columns
from analysis.frames.groupby import groups, joined, sum_or_missing
from analysis.frames.pricing import Pricing
from greenkd import records
from greenkd.identity import without_new_defaults
from greenkd.records import UNMETERED, CampaignRecord, Phase, TrialStatus

# What a strategy pays to find its τ. Test and idle windows are nobody's tuning; the metered logits are paid by whoever
# ran first, so every campaign is charged `logits_costs` instead.
TUNING_PHASES = (Phase.STUDENT_TRAINING.value, Phase.VALIDATION.value, Phase.OVERHEAD.value)
TRIAL_PHASES = (Phase.STUDENT_TRAINING.value, Phase.VALIDATION.value)


def tau_of(params: dict[str, Any] | None) -> float:
    """τ where the parameters name one, else NaN."""
    value = (params or {}).get("tau")
    return float(value) if isinstance(value, int | float) else math.nan


def trials_frame(frame: pd.DataFrame, found: dict[int, CampaignRecord], ledger: pd.DataFrame) -> pd.DataFrame:
    """One row per attempt: what trials.jsonl says, the ledger's costs, and the attempts only the ledger knows."""
    keys = ["campaign", "trial", "attempt"]
    frame["status"] = [str(status) for status in frame["status"]]
    frame["tau"] = [tau_of(params) for params in frame["params"]]
    # The ledger is the one monitor of costs: what a row of trials.jsonl repeats of it is not read.
    frame = frame.drop(columns=[name for name in columns.COST_COLUMNS if name in frame])
    own = ledger[ledger["trial"].notna() & ledger["phase"].isin(TRIAL_PHASES)]
    frame = frame.merge(sum_or_missing(own, keys).reset_index(), on=keys, how="outer")
    killed = frame["status"].isna()
    frame.loc[killed, "status"] = "killed"
    tests = {(campaign, test.trial): test.score for campaign, record in found.items() for test in record.tests}
    # The weights of a trial are those of its complete attempt; the tests belong to it alone.
    frame["test_score"] = [
        tests.get((campaign, trial), math.nan) if status == TrialStatus.COMPLETE else math.nan
        for campaign, trial, status in zip(frame["campaign"], frame["trial"], frame["status"], strict=True)
    ]
    known = frame[~killed].drop_duplicates(["campaign", "trial"]).set_index(["campaign", "trial"])
    for name in ("tau", "params"):
        values = known[name].to_dict()
        frame[name] = [
            values.get((campaign, trial), math.nan if name == "tau" else None)
            for campaign, trial in zip(frame["campaign"], frame["trial"], strict=True)
        ]
    frame = frame.astype({"trial": "int64", "attempt": "int64"}).sort_values(keys, ignore_index=True)
    return frame.reindex(columns=list(columns.TRIALS))


def choose(trials: pd.DataFrame) -> "pd.Series[Any] | None":
    """The trial that selection picks: highest validation accuracy, then lower validation loss, then lower number."""
    complete = trials[(trials["status"] == TrialStatus.COMPLETE) & trials["val_score"].notna()]
    if complete.empty:
        return None
    ordered = complete.sort_values(
        ["val_score", "val_loss", "campaign", "trial"], ascending=[False, True, True, True], kind="stable"
    )
    return ordered.iloc[0]


def campaigns_frame(
    found: dict[int, CampaignRecord], folders: dict[int, Path], trials: pd.DataFrame, ledger: pd.DataFrame
) -> pd.DataFrame:
    """One row per campaign."""
    tuning = sum_or_missing(ledger[ledger["phase"].isin(TUNING_PHASES)], ["campaign"])
    by_campaign = {campaign: own for (campaign,), own in groups(trials, ["campaign"])}
    meters = {campaign: _meter(rows) for (campaign,), rows in groups(ledger, ["campaign"])}
    empty = trials.iloc[:0]
    rows = []
    for campaign, record in found.items():
        own = by_campaign.get(campaign, empty)
        row = _campaign_row(campaign, record, folders[campaign], own)
        booked = tuning.loc[campaign].to_dict() if campaign in tuning.index else dict.fromkeys(columns.COST_COLUMNS)
        for name in columns.COST_COLUMNS:
            share = 0.0 if record.logits_costs is None else row[f"logits_{name}"]
            row[f"tuning_{name}"] = _number(booked[name]) + share
        row |= meters.get(campaign, NO_METER)
        rows.append(row)
    frame = pd.DataFrame(rows, columns=list(columns.CAMPAIGNS))
    users = frame.groupby("teacher_key")["campaign"].transform("size")
    return frame.assign(teacher_users=users.where(frame["teacher_key"] != "", 0))


def price_records(
    found: dict[int, CampaignRecord], ledger: pd.DataFrame, pricing: Pricing
) -> dict[int, CampaignRecord]:
    """The records with the grams of teacher and logits worked out anew."""
    if pricing.pue is None and pricing.intensity_g_per_kwh is None:
        return found
    meters = {campaign: _meter(rows) for (campaign,), rows in groups(ledger, ["campaign"])}
    priced = {}
    for campaign, record in found.items():
        meter = meters.get(campaign, NO_METER)
        teacher, logits = record.teacher_result, record.logits_costs
        own = {"pue": meter["pue"], "intensity_g_per_kwh": meter["intensity_g_per_kwh"]}
        priced[campaign] = dataclasses.replace(
            record,
            teacher_result=teacher and dataclasses.replace(teacher, costs=pricing.costs(teacher.costs, **own)),
            logits_costs=pricing.costs(logits, **own),
            student_inference=_priced_inference(record.student_inference, pricing, own),
            teacher_inference=_priced_inference(record.teacher_inference, pricing, own),
        )
    return priced


def _priced_inference(
    found: records.InferenceRecord | None, pricing: Pricing, own: dict[str, float]
) -> records.InferenceRecord | None:
    if found is None:
        return None
    costs = pricing.costs(found.costs, **own)
    return found if costs is None else dataclasses.replace(found, costs=costs)


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _costs(prefix: str, costs: records.Costs | None) -> dict[str, float]:
    return {
        f"{prefix}_{name}": math.nan if costs is None else _number(getattr(costs, name))
        for name in columns.COST_COLUMNS
    }


def _campaign_row(campaign: int, record: CampaignRecord, folder: Path, trials: pd.DataFrame) -> dict[str, Any]:
    number, params = record.chosen_trial, record.chosen_params
    val_score = record.val_score
    chosen = choose(trials) if number is None else None
    if chosen is not None:  # not finished: what would be chosen by now
        number, params, val_score = int(chosen["trial"]), chosen["params"], float(chosen["val_score"])
    teacher, student = record.teacher_result, record.student_network
    return {
        "campaign": campaign,
        "folder": str(folder),
        **{
            name: str(getattr(record, name))
            for name in ("campaign_id", "sweep", "status", *columns.SETTING, "strategy", "kind")
        },
        "temperature": _temperature(folder),
        "seed": record.seed,
        "planned_trials": record.planned_trials,
        "complete_trials": trials.loc[trials["status"] == TrialStatus.COMPLETE, "trial"].nunique(),
        "attempts": len(trials),
        "chosen_trial": _number(number),
        "chosen_tau": tau_of(params),
        "chosen_params": params,
        "val_score": _number(val_score),
        "test_score": _number(record.test_score),
        "student_parameters": _number(student.parameters if student else None),
        "student_forward_flops_per_image": _number(student.forward_flops_per_image if student else None),
        "teacher_key": teacher.key if teacher else "",
        "teacher_parameters": _number(teacher.network.parameters if teacher else None),
        "teacher_forward_flops_per_image": _number(teacher.network.forward_flops_per_image if teacher else None),
        "teacher_test_score": _number(teacher.test_score if teacher else None),
        **_costs("teacher", teacher.costs if teacher else None),
        **_costs("logits", record.logits_costs),
        "processor": " + ".join(filter(None, (record.environment.cpu, record.environment.gpu))),
        "message": record.message or "",
    }


NO_METER = {
    "meter": "no ledger",
    "method": "none",
    "scope": "",
    "sources": "",
    "pue": math.nan,
    "intensity_g_per_kwh": math.nan,
    "intensity_source": "",
}


def _meter(rows: pd.DataFrame) -> dict[str, Any]:
    metered = rows[[UNMETERED not in (warnings or ()) for warnings in rows["warnings"]]]
    rows = metered if len(metered) else rows

    def every(name: str) -> str:
        return joined((str(value) for value in set(rows[name].tolist())), " + ")

    def single(name: str) -> float:
        values = set(rows[name].tolist())
        return float(values.pop()) if len(values) == 1 else math.nan

    sources = [f"{part} {every(f'{part}_source')}" for part in ("cpu", "gpu", "ram")]
    return {
        "meter": every("meter"),
        "method": every("method"),
        "scope": every("scope"),
        "sources": ", ".join(sources),
        "pue": single("pue"),
        "intensity_g_per_kwh": single("intensity_g_per_kwh"),
        "intensity_source": every("intensity_source"),
    }


def _temperature(folder: Path) -> str:
    """The `temperature` group of the campaign's configuration, as sorted JSON: it tells variants apart.

    Settings that came later and stand at their default are left out, so that campaigns of earlier versions are not
    variants of today's.
    """
    path = folder / "config.yaml"
    if not path.exists():
        return ""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        config = yaml.load(path.read_bytes(), Loader=loader)
    except yaml.YAMLError:
        return ""
    group = config.get("temperature") if isinstance(config, dict) else None
    if not isinstance(group, dict):
        return ""
    return json.dumps(without_new_defaults(group, "temperature."), sort_keys=True, default=str)
