"""From folders to tidy frames: `analysis.load("multirun/x")`."""

import dataclasses
import json
import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pydantic_core
import yaml

from analysis import columns
from analysis.errors import AnalysisError
from analysis.frames import groups, joined, rows_of, sum_or_missing
from analysis.pricing import Pricing
from greenkd import records
from greenkd.records import CampaignRecord, CampaignStatus, Phase, TrialStatus

# What a strategy pays to find its τ. Test and idle windows are nobody's tuning; the metered logits are paid by whoever
# ran first, so every campaign is charged `logits_costs` instead.
TUNING_PHASES = (Phase.STUDENT_TRAINING.value, Phase.VALIDATION.value, Phase.OVERHEAD.value)
TRIAL_PHASES = (Phase.STUDENT_TRAINING.value, Phase.VALIDATION.value)

_NUMBERS = (int, float, int | None, float | None)


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something a reader of the tables has to know about one file or campaign."""

    where: str
    what: str


@dataclasses.dataclass
class Sweep:
    """All campaigns below some folders, as tidy frames. Columns and units: `analysis.columns`.

    Attributes:
        roots: The folders that were asked for.
        campaigns: One row per campaign.
        trials: One row per attempt of a trial; killed attempts, known from the ledger alone, included.
        ledger: One row per metered interval.
        problems: Torn lines, refused or doubled campaigns, half-finished ones.
        records: `campaign.json` of each campaign, by the campaign's number.
        folders: The campaigns' folders, likewise.
        pricing: What the grams and the money were worked out with.
    """

    roots: tuple[Path, ...]
    campaigns: pd.DataFrame
    trials: pd.DataFrame
    ledger: pd.DataFrame
    problems: list[Problem]
    records: dict[int, CampaignRecord]
    folders: dict[int, Path]
    pricing: Pricing

    @cached_property
    def trials_of(self) -> dict[int, pd.DataFrame]:
        """The trials of each campaign that has any."""
        return {campaign: own for (campaign,), own in groups(self.trials, ["campaign"])}

    @cached_property
    def epochs(self) -> pd.DataFrame:
        """One row per epoch, read when first asked for."""
        frames = _read_all(self.folders, "epochs.jsonl", records.EpochRow, self.problems)
        return frames.reindex(columns=list(columns.EPOCHS))

    @cached_property
    def steps(self) -> pd.DataFrame:
        """One row per batch of the schedules that change τ within a training, read when first asked for."""
        frame = _read_all(self.folders, "steps.jsonl", records.StepsRow, self.problems)
        frame = frame.rename(columns={"taus": "tau", "losses": "loss"})
        frame["step"] = [range(len(taus)) for taus in frame["tau"]]
        frame = frame.explode(["step", "tau", "loss"], ignore_index=True)
        frame = frame.astype({"step": "int64", "tau": "float64", "loss": "float64"})
        return frame.reindex(columns=list(columns.STEPS))


def load(paths: str | Path | Sequence[str | Path], *, pricing: Pricing | None = None) -> Sweep:
    """Reads every campaign below one or several folders.

    A campaign of another schema version is left out and named in `problems`; a campaign that lies in two folders is
    read once.

    Args:
        paths: A sweep's folder, or several.
        pricing: Another intensity, PUE or price than the recorded ones; grams are then worked out anew.

    Raises:
        AnalysisError: A folder does not exist or holds no campaign.
    """
    roots = tuple(Path(path) for path in ([paths] if isinstance(paths, str | Path) else paths))
    for root in roots:
        if not root.is_dir():
            raise AnalysisError(f"{root} is no folder; run a sweep first: python run.py -m temperature=grid,stochastic")
    problems: list[Problem] = []
    found, folders = _read_records(roots, problems)
    if not found:
        reasons = "".join(f"\n  {problem.where}: {problem.what}" for problem in problems)
        raise AnalysisError(
            f"no campaign found below {', '.join(map(str, roots))}: there is no campaign.json that can be read. "
            f"Run a sweep first, or name its folder: python -m analysis multirun/<sweep>{reasons}"
        )
    ledger = _read_all(folders, "ledger.jsonl", records.LedgerRow, problems).reindex(columns=list(columns.LEDGER))
    no_images = ledger["images"] == 0
    for name in ("flops", "forward_flops"):
        ledger.loc[no_images, name] = ledger.loc[no_images, name].fillna(0.0)
    pricing = pricing or Pricing()
    ledger = pricing.ledger(ledger)
    found = _priced(found, ledger, pricing)
    trials = _trials(_read_all(folders, "trials.jsonl", records.TrialRow, problems), found, ledger)
    campaigns = _campaigns(found, folders, trials, ledger)
    _note_orphans(roots, folders, problems)
    _note_states(campaigns, trials, problems)
    return Sweep(roots, campaigns, trials, ledger, problems, found, folders, pricing)


def _read_records(
    roots: tuple[Path, ...], problems: list[Problem]
) -> tuple[dict[int, CampaignRecord], dict[int, Path]]:
    found: dict[int, CampaignRecord] = {}
    folders: dict[int, Path] = {}
    seen: dict[str, Path] = {}
    for root in roots:
        for folder in records.find_campaigns(root):
            try:
                record = records.read_campaign(folder / "campaign.json")
            except records.RecordError as error:
                problems.append(Problem(str(folder), f"left out: {error}"))
                continue
            first = seen.setdefault(record.campaign_id, folder)
            if first != folder:
                if first.resolve() != folder.resolve():
                    problems.append(Problem(str(folder), f"left out: the same campaign as {first}"))
                continue
            found[len(found)] = record
            folders[len(folders)] = folder
    return found, folders


def _read_all(folders: dict[int, Path], name: str, kind: type[Any], problems: list[Problem]) -> pd.DataFrame:
    fields = [field for field in dataclasses.fields(kind) if field.name != "schema_version"]
    values: dict[str, list[Any]] = {field.name: [] for field in fields}
    owners: list[int] = []
    for campaign, folder in folders.items():
        rows = _read_lines(folder / name, kind, problems)
        owners.extend([campaign] * len(rows))
        for field in fields:
            # Rows of an older greenkd lack the fields that came later, all of which have defaults.
            values[field.name].extend([row.get(field.name, field.default) for row in rows])
    frame = pd.DataFrame(
        {
            field.name: pd.Series(values[field.name], dtype="float64" if field.type in _NUMBERS else "object")
            for field in fields
        }
    )
    frame.insert(0, "campaign", pd.Series(owners, dtype="int64"))
    return frame


def _read_lines(path: Path, kind: type[Any], problems: list[Problem]) -> list[dict[str, Any]]:
    """Reads one file fast; whatever is unusual is left to `records.read_rows`, which names the line and the fault."""
    if not path.exists():
        return []
    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    try:
        rows = pydantic_core.from_json(b"[" + b",".join(lines) + b"]")
    except ValueError:
        rows = None
    needed = {field.name for field in dataclasses.fields(kind) if field.default is dataclasses.MISSING}
    if rows is not None and all(
        type(row) is dict and row.get("schema_version") == records.SCHEMA_VERSION and row.keys() >= needed
        for row in rows
    ):
        return rows  # type: ignore[no-any-return]
    try:
        read = records.read_rows(path, kind)
    except records.RecordError as error:
        problems.append(Problem(str(path), f"file left out: {error}"))
        return []
    if read.torn:
        problems.append(Problem(str(path), f"{len(read.torn)} torn line(s) skipped, a write that was cut off"))
    return [vars(row) for row in read.rows]


def tau_of(params: dict[str, Any] | None) -> float:
    """τ where the parameters name one, else NaN."""
    value = (params or {}).get("tau")
    return float(value) if isinstance(value, int | float) else math.nan


def _trials(frame: pd.DataFrame, found: dict[int, CampaignRecord], ledger: pd.DataFrame) -> pd.DataFrame:
    keys = ["campaign", "trial", "attempt"]
    frame["status"] = [str(status) for status in frame["status"]]
    frame["tau"] = [tau_of(params) for params in frame["params"]]
    # The ledger is the one book of costs: what a row of trials.jsonl repeats of it is not read.
    frame = frame.drop(columns=[name for name in columns.COST_COLUMNS if name in frame])
    own = ledger[ledger["trial"].notna() & ledger["phase"].isin(TRIAL_PHASES)]
    frame = frame.merge(sum_or_missing(own, keys).reset_index(), on=keys, how="outer")
    killed = frame["status"].isna()
    frame.loc[killed, "status"] = "killed"
    tests = {(campaign, test.trial): test.accuracy for campaign, record in found.items() for test in record.tests}
    # The weights of a trial are those of its complete attempt; the tests belong to it alone.
    frame["test_accuracy"] = [
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
    complete = trials[(trials["status"] == TrialStatus.COMPLETE) & trials["val_accuracy"].notna()]
    if complete.empty:
        return None
    ordered = complete.sort_values(
        ["val_accuracy", "val_loss", "campaign", "trial"], ascending=[False, True, True, True], kind="stable"
    )
    return ordered.iloc[0]


def _campaigns(
    found: dict[int, CampaignRecord], folders: dict[int, Path], trials: pd.DataFrame, ledger: pd.DataFrame
) -> pd.DataFrame:
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
        row |= meters.get(campaign, _NO_METER)
        rows.append(row)
    frame = pd.DataFrame(rows, columns=list(columns.CAMPAIGNS))
    users = frame.groupby("teacher_key")["campaign"].transform("size")
    return frame.assign(teacher_users=users.where(frame["teacher_key"] != "", 0))


def _priced(found: dict[int, CampaignRecord], ledger: pd.DataFrame, pricing: Pricing) -> dict[int, CampaignRecord]:
    """The records with the grams of teacher and logits worked out anew."""
    if pricing.pue is None and pricing.intensity_g_per_kwh is None:
        return found
    meters = {campaign: _meter(rows) for (campaign,), rows in groups(ledger, ["campaign"])}
    priced = {}
    for campaign, record in found.items():
        meter = meters.get(campaign, _NO_METER)
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
    val_accuracy = record.val_accuracy
    chosen = choose(trials) if number is None else None
    if chosen is not None:  # not finished: what would be chosen by now
        number, params, val_accuracy = int(chosen["trial"]), chosen["params"], float(chosen["val_accuracy"])
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
        "val_accuracy": _number(val_accuracy),
        "test_accuracy": _number(record.test_accuracy),
        "student_parameters": _number(student.parameters if student else None),
        "student_forward_flops_per_image": _number(student.forward_flops_per_image if student else None),
        "teacher_key": teacher.key if teacher else "",
        "teacher_parameters": _number(teacher.network.parameters if teacher else None),
        "teacher_forward_flops_per_image": _number(teacher.network.forward_flops_per_image if teacher else None),
        "teacher_test_accuracy": _number(teacher.test_accuracy if teacher else None),
        **_costs("teacher", teacher.costs if teacher else None),
        **_costs("logits", record.logits_costs),
        "processor": " + ".join(filter(None, (record.environment.cpu, record.environment.gpu))),
        "message": record.message or "",
    }


_NO_METER = {
    "meter": "no ledger",
    "method": "none",
    "scope": "",
    "sources": "",
    "pue": math.nan,
    "intensity_g_per_kwh": math.nan,
    "intensity_source": "",
}


def _meter(rows: pd.DataFrame) -> dict[str, Any]:
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
    """The `temperature` group of the campaign's configuration, as sorted JSON: it tells variants apart."""
    path = folder / "config.yaml"
    if not path.exists():
        return ""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        config = yaml.load(path.read_bytes(), Loader=loader)
    except yaml.YAMLError:
        return ""
    group = config.get("temperature") if isinstance(config, dict) else None
    return json.dumps(group, sort_keys=True, default=str) if isinstance(group, dict) else ""


def _note_orphans(roots: tuple[Path, ...], folders: dict[int, Path], problems: list[Problem]) -> None:
    known = {folder.resolve() for folder in folders.values()}
    left_out = {problem.where for problem in problems}
    for root in roots:
        problems.extend(
            Problem(str(path), "costs without a campaign.json beside them: in no table")
            for path in sorted(root.rglob("ledger.jsonl"))
            if path.parent.resolve() not in known and str(path.parent) not in left_out
        )


def _note_states(campaigns: pd.DataFrame, trials: pd.DataFrame, problems: list[Problem]) -> None:
    for row in rows_of(campaigns):
        if row["status"] != CampaignStatus.DONE:
            message = f": {row['message']}" if row["message"] else ""
            state = f"{row['strategy']} seed {row['seed']} is {row['status']}"
            count = f"{row['complete_trials']} of {row['planned_trials']} trials complete"
            problems.append(Problem(row["folder"], f"{state}, {count}{message}"))
        if row["meter"] == _NO_METER["meter"]:
            problems.append(Problem(row["folder"], "no ledger: its costs are unknown"))
    folders = dict(zip(campaigns["campaign"], campaigns["folder"], strict=True))
    for row in rows_of(trials[trials["status"] == "killed"]):
        cost = "" if math.isnan(row["energy_kwh"]) else f", {row['energy_kwh']:.3g} kWh"
        problems.append(
            Problem(
                folders[row["campaign"]],
                f"trial {row['trial']} attempt {row['attempt']} never finished (killed, or still running): "
                f"its {row['duration_s']:.1f} s{cost} are in the tuning cost",
            )
        )
