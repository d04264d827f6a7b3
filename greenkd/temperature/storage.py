"""Where a study is kept: an SQLite file in the campaign's folder, or a database that several machines share."""

import contextlib
import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import optuna
import sqlalchemy.engine
import sqlalchemy.exc

from greenkd.errors import StorageError

log = logging.getLogger(__name__)

# Another process, or a dashboard, may hold the SQLite file for a moment.
LOCK_TIMEOUT_S = 60

_STORAGE_ERRORS = (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError)


def open_storage(storage: Path | str) -> optuna.storages.RDBStorage:
    """Opens an SQLite file, which is made if it is not there, or the database at a URL."""
    if isinstance(storage, Path):
        waiting = {"connect_args": {"timeout": LOCK_TIMEOUT_S}}
        return optuna.storages.RDBStorage(f"sqlite:///{storage}", engine_kwargs=waiting)
    return optuna.storages.RDBStorage(storage)


def describe_storage(storage: Path | str) -> str:
    """Returns what messages call a storage: a file's path, or a database's URL without its password.

    Raises:
        StorageError: A text is no URL of a database.
    """
    if isinstance(storage, Path):
        return str(storage)

    try:
        return sqlalchemy.engine.make_url(storage).render_as_string(hide_password=True)
    except sqlalchemy.exc.ArgumentError as error:
        raise StorageError(f"storage: is no URL of a database ({error}); give postgresql://user@host/name") from error


@contextlib.contextmanager
def explain_storage_errors(description: str) -> Iterator[None]:
    """Turns what a storage raises within the `with` block into a message that says what to do.

    Args:
        description: What `describe_storage` says of the storage.

    Raises:
        StorageError: The storage cannot be used.
    """
    try:
        yield
    except ImportError as error:
        raise StorageError(f"storage={description}: its driver is not installed ({error})") from error
    except _STORAGE_ERRORS as error:
        first_line = str(error).splitlines()[0]
        raise StorageError(
            f"{description}: the Optuna study cannot be used ({first_line}); free space, make it writable, "
            "or close the program that holds it, and run the same command again: no finished trial is lost"
        ) from error


def set_aside_if_damaged(file: Path) -> None:
    """Renames an SQLite file that is broken or none at all, so that a new one can be made in its place.

    Raises:
        StorageError: The file cannot be opened, or cannot be renamed.
    """
    if not _is_damaged(file):
        return

    aside = file.with_name(f"{file.name}.damaged")
    log.warning("%s: is damaged; set aside as %s, and built anew from trials.jsonl", file, aside.name)
    try:
        file.replace(aside)
        for name in ("-journal", "-wal", "-shm"):
            file.with_name(f"{file.name}{name}").unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{file}: is damaged and cannot be renamed ({error.strerror})") from error


def _is_damaged(file: Path) -> bool:
    if not file.exists():
        return False

    try:
        with contextlib.closing(sqlite3.connect(file, timeout=LOCK_TIMEOUT_S)) as database:
            return bool(database.execute("PRAGMA quick_check").fetchone() != ("ok",))
    except sqlite3.OperationalError as error:
        raise StorageError(
            f"{file}: cannot be opened ({error}); close the program that holds it, or make it writable"
        ) from error
    except sqlite3.DatabaseError:
        return True
