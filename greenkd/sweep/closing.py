"""The end of a command: what it took outside its energy books goes on its campaigns' bills; estimates are settled."""

import os
from collections.abc import Sequence
from pathlib import Path

from greenkd.energy.unmetered import Seconds, process_started_at, recorded, since_process_start, unmetered_row
from greenkd.estimate.outcome import describe_outcome, settle
from greenkd.records import LedgerRow, ProcessRow, append_row, read_rows


def close_command(campaigns: Sequence[Path], sweep: Path, command: str) -> list[str]:
    """Books start-up and gaps, writes the command's row, and compares an estimate with what was spent.

    Args:
        campaigns: Folders of the command's campaigns; those it found done pay nothing.
        sweep: The sweep's folder.
        command: The command line.

    Returns:
        Lines to show.

    Raises:
        StorageError: Something cannot be written.
    """
    own = {folder: _own(folder / "ledger.jsonl") for folder in campaigns}
    own = {folder: rows for folder, rows in own.items() if rows}
    whole = since_process_start()
    rest = Seconds(
        max(whole.duration_s - recorded.duration_s, 0.0),
        max(whole.cpu_s - recorded.cpu_s, 0.0),
    )
    for folder, rows in own.items():
        row = unmetered_row(rows, Seconds(rest.duration_s / len(own), rest.cpu_s / len(own)))
        if row is not None:
            append_row(folder / "ledger.jsonl", row)
            recorded.duration_s += row.duration_s
            recorded.cpu_s += row.cpu_s or 0.0
    if own:
        end = since_process_start()
        process = ProcessRow(
            pid=os.getpid(),
            command=command,
            started_at=process_started_at(),
            duration_s=end.duration_s,
            cpu_s=end.cpu_s,
            metered_s=recorded.duration_s,
            metered_cpu_s=recorded.cpu_s,
        )
        append_row(sweep / "processes.jsonl", process)
    settled = settle(sweep)
    return [] if settled is None else [describe_outcome(settled)]


def _own(ledger: Path) -> list[LedgerRow]:
    started_at = process_started_at()  # a process long ago may have had this number
    return [row for row in read_rows(ledger, LedgerRow).rows if row.pid == os.getpid() and row.started_at >= started_at]
