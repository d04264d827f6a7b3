"""From folders to tidy frames: `analysis.load("multirun/x")`."""

import dataclasses
import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import pydantic_core

from analysis.frames import columns
from analysis.frames.build import NO_METER, campaigns_frame, price_records, trials_frame
from analysis.frames.groupby import groups, rows_of
from analysis.frames.pricing import Pricing
from greenkd import records
from greenkd.errors import AnalysisError
from greenkd.records import CampaignRecord, CampaignStatus

# Of a command's window, that may stand in no ledger.
UNATTRIBUTED = 0.02
_NUMBERS = (int, float, int | None, float | None)


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something a reader of the tables has to know about one file or campaign."""

    where: str
    what: str


@dataclasses.dataclass
class Sweep:
    """All campaigns below some folders, as tidy frames. Columns and units: `analysis.frames.columns`.

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
        frame["tau_sd"] = [
            [math.nan] * len(taus) if sds is None else sds
            for taus, sds in zip(frame["tau"], frame["tau_sds"], strict=True)
        ]
        frame = frame.explode(["step", "tau", "tau_sd", "loss"], ignore_index=True)
        frame = frame.astype({"step": "int64", "tau": "float64", "tau_sd": "float64", "loss": "float64"})
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
    found = price_records(found, ledger, pricing)
    trials = trials_frame(_read_all(folders, "trials.jsonl", records.TrialRow, problems), found, ledger)
    campaigns = campaigns_frame(found, folders, trials, ledger)
    _note_orphans(roots, folders, problems)
    _note_states(campaigns, trials, problems)
    _note_commands(roots, problems)
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


def _note_commands(roots: tuple[Path, ...], problems: list[Problem]) -> None:
    """Notes what is on nobody's bill, and blocks before which the machine had changed."""
    for root in roots:
        for path in sorted(root.rglob("processes.jsonl")):
            rows = [records.ProcessRow(**row) for row in _read_lines(path, records.ProcessRow, problems)]
            whole, booked = sum(row.duration_s for row in rows), sum(row.metered_s for row in rows)
            if abs(whole - booked) > UNATTRIBUTED * whole:
                share = 100 * (1 - booked / whole)
                problems.append(Problem(str(path), f"{share:.0f} % of {whole:.0f} s is unattributed: in no ledger"))
        for path in sorted(root.rglob("blocks.jsonl")):
            blocks = [records.BlockRow(**row) for row in _read_lines(path, records.BlockRow, problems)]
            drifted = [f"{row.block + 1} ({100 * (row.drift or 0):+.0f} %)" for row in blocks if row.drifted]
            if drifted:
                problems.append(
                    Problem(str(path), f"the machine had drifted before block {', '.join(drifted)} of {len(blocks)}")
                )


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
        if row["meter"] == NO_METER["meter"]:
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
