"""What a launcher's processes took outside all ledgers, divided among the campaigns that each of them ran.

A process of joblib or Ray runs one job after another and does not know which is its last. At the end of each job it
charges that campaign what it took since the one before, the first one its whole start. When the launching command ends,
all campaigns of a process are known: each is charged an equal share instead, as in a command without a launcher.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from greenkd.campaign.folder import extend_manifest_of
from greenkd.energy.unmetered import Seconds, unmetered_row
from greenkd.records import LedgerRow, append_row
from greenkd.records.ledger import start_up_of
from greenkd.records.lines import read_written_rows


def share_start_ups(campaigns: Sequence[Path], storage: str | None = None) -> None:
    """Charges each campaign an equal share of every process that ran several of them; done twice, it is done once.

    Args:
        campaigns: Folders of the command's campaigns.
        storage: The URL of the database that their machines share, if they share one.

    Raises:
        StorageError: A share cannot be written.
    """
    ledgers = {folder: read_written_rows(folder / "ledger.jsonl", LedgerRow).rows for folder in campaigns}
    charged: dict[tuple[Any, ...], dict[Path, list[LedgerRow]]] = {}
    for folder, rows in ledgers.items():
        for row in rows:
            process = start_up_of(row)
            if process is not None:
                charged.setdefault(process, {}).setdefault(folder, []).append(row)

    for of_process in charged.values():
        if len(of_process) > 1:
            _share(of_process, ledgers, storage)


def _share(charged: dict[Path, list[LedgerRow]], ledgers: dict[Path, list[LedgerRow]], storage: str | None) -> None:
    """Divides what one process took.

    Args:
        charged: What its campaigns were charged so far, by folder.
        ledgers: All rows of these campaigns.
        storage: As for `share_start_ups`.
    """
    among = len(charged)
    parts = [row for rows in charged.values() for row in rows if row.shared_among is None]
    share = Seconds(sum(row.duration_s for row in parts) / among, sum(row.cpu_s or 0.0 for row in parts) / among)

    for folder, rows in charged.items():
        if any(row.shared_among == among for row in rows):
            continue
        process = rows[0]
        own = [
            row
            for row in ledgers[folder]
            if (row.host, row.pid) == (process.host, process.pid)
            and row.started_at >= process.started_at
            and start_up_of(row) is None
        ]
        row = unmetered_row(own, share)
        if row is not None:
            append_row(
                folder / "ledger.jsonl",
                dataclasses.replace(row, started_at=process.started_at, shared_among=among),
            )
            extend_manifest_of(folder, storage)
