"""What a reader of the tables has to know about the files behind them: gaps, unfinished campaigns, lost costs."""

import math
from pathlib import Path

import pandas as pd

from analysis.frames.groupby import rows_of
from analysis.frames.lines import read_lines
from analysis.frames.meters import NO_METER
from analysis.frames.problem import Problem
from analysis.frames.trials import KILLED
from greenkd.records import BlockRow, CampaignStatus, ProcessRow
from greenkd.records.sweep import latest_of_each

# The share of a command's window that may stand in no ledger without being named.
UNATTRIBUTED = 0.02


def note_lost_costs(ledgers: list[Path], folders: dict[int, Path], problems: list[Problem]) -> None:
    """Names the ledgers of folders that hold no campaign, unless the folder was left out for another reason.

    Args:
        ledgers: All that lie below the folders that were asked for.
        folders: The campaigns' folders, by number.
        problems: Receives the notes.
    """
    read = set(folders.values())
    left_out = {problem.where for problem in problems}
    lost = [path for path in ledgers if path.parent not in read and str(path.parent) not in left_out]
    if not lost:
        return

    # A campaign that lies in two folders of this load, or was asked for under two names, was read under one.
    campaigns = {folder.resolve() for folder in read}
    problems.extend(
        Problem(str(path), "costs without a campaign.json beside them: in no table")
        for path in lost
        if path.parent.resolve() not in campaigns
    )


def note_unfinished(campaigns: pd.DataFrame, trials: pd.DataFrame, problems: list[Problem]) -> None:
    """Names campaigns that are not done, campaigns without a ledger, and attempts that never finished."""
    for row in rows_of(campaigns):
        if row["status"] != CampaignStatus.DONE:
            message = f": {row['message']}" if row["message"] else ""
            state = f"{row['strategy']} seed {row['seed']} is {row['status']}"
            count = f"{row['complete_trials']} of {row['planned_trials']} trials complete"
            problems.append(Problem(row["folder"], f"{state}, {count}{message}"))
        if row["meter"] == NO_METER["meter"]:
            problems.append(Problem(row["folder"], "no ledger: its costs are unknown"))

    folders = dict(zip(campaigns["campaign"], campaigns["folder"], strict=True))
    for row in rows_of(trials[trials["status"] == KILLED]):
        energy = "" if math.isnan(row["energy_kwh"]) else f", {row['energy_kwh']:.3g} kWh"
        problems.append(
            Problem(
                folders[row["campaign"]],
                f"trial {row['trial']} attempt {row['attempt']} never finished (killed, or still running): "
                f"its {row['duration_s']:.1f} s{energy} are in the tuning cost",
            )
        )


def note_commands(processes: list[Path], blocks: list[Path], problems: list[Problem]) -> None:
    """Names commands whose time is partly in no ledger, and blocks before which the machine had changed.

    Args:
        processes: The `processes.jsonl` of sweeps.
        blocks: Their `blocks.jsonl`.
        problems: Receives the notes.
    """
    for path in processes:
        _note_unattributed(path, problems)
    for path in blocks:
        _note_drift(path, problems)


def _note_unattributed(path: Path, problems: list[Problem]) -> None:
    rows = [row for row in read_processes(path, problems) if row.kind == "command"]
    total_s, metered_s = sum(row.duration_s for row in rows), sum(row.metered_s for row in rows)

    if abs(total_s - metered_s) > UNATTRIBUTED * total_s:
        share = 100 * (1 - metered_s / total_s)
        problems.append(Problem(str(path), f"{share:.0f} % of {total_s:.0f} s is unattributed: in no ledger"))


def read_processes(path: Path, problems: list[Problem]) -> list[ProcessRow]:
    """Reads what commands took, and the comparisons at their ends."""
    return latest_of_each(ProcessRow(**row) for row in read_lines(path, ProcessRow, problems))


def _note_drift(path: Path, problems: list[Problem]) -> None:
    blocks = [BlockRow(**row) for row in read_lines(path, BlockRow, problems)]
    drifted = [f"{row.block + 1} ({100 * (row.drift or 0):+.0f} %)" for row in blocks if row.drifted]

    if drifted:
        message = f"the machine had drifted before block {', '.join(drifted)} of {len(blocks)}"
        problems.append(Problem(str(path), message))
