"""The end of a command: what it took outside its campaigns is charged to them, and estimates are settled."""

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from greenkd.campaign.folder import extend_manifest_of
from greenkd.energy.unmetered import (
    Seconds,
    not_recorded,
    process_started_at,
    recorded,
    since_process_start,
    unmetered_row,
)
from greenkd.estimate.settlement import describe_settlement, settle
from greenkd.records import LedgerRow, ProcessRow, append_row, read_rows
from greenkd.records.timestamps import now
from greenkd.whereabouts import is_this_process, scheduler_job, this_host


def close_command(campaigns: Sequence[Path], sweep: Path, command: str, storage: str | None = None) -> list[str]:
    """Records start-up and gaps, writes the command's row, and compares an estimate with what was spent.

    Args:
        campaigns: Folders of the command's campaigns; those that were done already are charged nothing.
        sweep: The sweep's folder.
        command: The command line.
        storage: The URL of the database that the campaigns' machines share, if they share one.

    Returns:
        Lines to show.

    Raises:
        StorageError: Something cannot be written.
    """
    rows_of = {folder: rows for folder in campaigns if (rows := _rows_of_this_process(folder / "ledger.jsonl"))}
    if rows_of:
        _charge_unmetered(rows_of, storage)
        append_row(sweep / "processes.jsonl", _process_row(command))

    settled = settle(sweep)
    return [] if settled is None else [describe_settlement(settled)]


def record_comparison(sweep: Path, command: str, begun: Seconds) -> None:
    """Records what the comparison at a command's end took; it is analysis, and no campaign is charged for it.

    Args:
        sweep: The sweep's folder.
        command: The command line.
        begun: What this process had taken when the comparison began.

    Raises:
        StorageError: It cannot be written.
    """
    if not recorded.duration_s:  # nothing was trained here: this was a look at what lay there
        return

    end = since_process_start()
    row = dataclasses.replace(
        _process_row(command),
        kind="comparison",
        started_at=now("milliseconds"),
        duration_s=end.duration_s - begun.duration_s,
        cpu_s=end.cpu_s - begun.cpu_s,
        metered_s=0.0,
        metered_cpu_s=0.0,
    )
    append_row(sweep / "processes.jsonl", row)


def _rows_of_this_process(ledger: Path) -> list[LedgerRow]:
    started_at = process_started_at()  # a process long ago may have had this number
    rows = read_rows(ledger, LedgerRow).rows
    return [row for row in rows if is_this_process(row.pid, row.host) and row.started_at >= started_at]


def _charge_unmetered(rows_of: dict[Path, list[LedgerRow]], storage: str | None) -> None:
    """Divides what this process took beside its metered phases equally among its campaigns."""
    remaining, campaigns = not_recorded(), len(rows_of)
    share = Seconds(remaining.duration_s / campaigns, remaining.cpu_s / campaigns)

    for folder, rows in rows_of.items():
        row = unmetered_row(rows, share)
        if row is not None:
            append_row(folder / "ledger.jsonl", row)
            recorded.duration_s += row.duration_s
            recorded.cpu_s += row.cpu_s or 0.0
        extend_manifest_of(folder, storage)


def _process_row(command: str) -> ProcessRow:
    end, job = since_process_start(), scheduler_job()
    return ProcessRow(
        pid=os.getpid(),
        command=command,
        started_at=process_started_at(),
        duration_s=end.duration_s,
        cpu_s=end.cpu_s,
        metered_s=recorded.duration_s,
        metered_cpu_s=recorded.cpu_s,
        host=this_host(),
        job_id=None if job is None else job.number,
    )
