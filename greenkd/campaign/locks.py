"""Where the locks of a campaign and of its cache are kept: in files, or in the database that its machines share."""

import functools
import os
from pathlib import Path

from greenkd.leases import DatabaseLocks
from greenkd.locks import FileLocks, Lock, Locks
from greenkd.temperature.database import read_url
from greenkd.temperature.storage import check_shared_database


def open_locks(storage: str | None) -> Locks:
    """Returns where locks are kept; an SQLite database is a file like others, and keeps none.

    Args:
        storage: The URL of a database; None: the study lies in the campaign's folder.

    Raises:
        StorageError: The database cannot be used; it is asked for the first time in this process.
    """
    if storage is None or read_url(storage).get_backend_name() == "sqlite":
        return FileLocks()
    return _in_database(storage, os.getpid())


def campaign_lock(folder: Path, sweep: str, campaign_id: str, name: str, storage: str | None) -> Lock:
    """Returns a lock between the processes that work on one campaign.

    Args:
        folder: The campaign's folder.
        sweep: The name of its sweep, in which its id is its own.
        campaign_id: Its id.
        name: The lock's.
        storage: As for `open_locks`.

    Raises:
        StorageError: As for `open_locks`.
    """
    return open_locks(storage).lock(folder / ".locks" / f"{name}.lock", f"{sweep}/{campaign_id}/{name}")


@functools.cache
def _in_database(storage: str, pid: int) -> DatabaseLocks:
    check_shared_database(storage)  # without patience: nothing is trained yet
    return DatabaseLocks(storage)
