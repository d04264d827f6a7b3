"""Where a study is kept: an SQLite file in the campaign's folder, or a database that several machines share."""

import contextlib
import functools
import logging
import re
import sqlite3
import warnings
from collections.abc import Iterator
from pathlib import Path

import optuna
import sqlalchemy
import sqlalchemy.exc

from greenkd.errors import DatabaseLostError, StorageError
from greenkd.temperature.database import describe_url, is_lost, open_database, read_url

log = logging.getLogger(__name__)

# Another process, or a dashboard, may hold the SQLite file for a moment.
LOCK_TIMEOUT_S = 60

_OPTUNA_REVISION = re.compile(r"v\d+\.\d+\.\d+\.\w+")  # of its tables: v3.2.0.a

_STORAGE_ERRORS = (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError)


def open_storage(storage: Path | str) -> optuna.storages.RDBStorage:
    """Opens an SQLite file, which is made if it is not there, or the database at a URL."""
    if isinstance(storage, Path):
        waiting = {"connect_args": {"timeout": LOCK_TIMEOUT_S}}
        return optuna.storages.RDBStorage(f"sqlite:///{storage}", engine_kwargs=waiting)
    return open_database(storage)


def open_study(
    storage: Path | str, name: str, earlier_name: str | None, pruner: optuna.pruners.BasePruner
) -> tuple[optuna.storages.RDBStorage, optuna.Study]:
    """Opens a storage and the study in it, which is made if it is not there.

    Args:
        storage: As for `open_storage`.
        name: The study's.
        earlier_name: What an earlier version would have called it; a study of that name is opened in its place.
        pruner: Judges its trials.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)

    database = open_storage(storage)
    if earlier_name in optuna.get_all_study_names(database):
        name = str(earlier_name)
    study = optuna.create_study(
        storage=database, study_name=name, direction="maximize", pruner=pruner, load_if_exists=True
    )
    study.set_metric_names(["validation accuracy"])
    return database, study


def describe_storage(storage: Path | str) -> str:
    """Returns what messages call a storage: a file's path, or a database's URL without its password.

    Raises:
        StorageError: A text is no URL of a database.
    """
    return str(storage) if isinstance(storage, Path) else describe_url(storage)


def prepare_storage(storage: Path | str) -> None:
    """Sets an SQLite file aside that Optuna cannot use, so that a new one is made; refuses a database like that.

    Raises:
        StorageError: The storage cannot be used.
    """
    if not isinstance(storage, Path):
        check_shared_database(storage)
        return

    set_aside_if_damaged(storage)
    with explain_storage_errors(describe_storage(storage)):
        problem = schema_problem(storage)
    if problem is not None:
        set_aside(storage, problem)


def check_shared_database(url: str) -> None:
    """Refuses a shared database whose tables are not those of the Optuna installed here, before anything is trained.

    Args:
        url: Of the database.

    Raises:
        StorageError: It cannot be used.
    """
    description = describe_storage(url)
    with explain_storage_errors(description):
        problem = schema_problem(url)
    if problem is not None:
        raise StorageError(f"storage={description}: {problem}")


def schema_problem(storage: Path | str) -> str | None:
    """Returns why the installed Optuna cannot use what a file or database holds, and what to do about it.

    Optuna and MLflow note the version of their tables in one and the same place, `alembic_version`. Optuna asks for it
    after it has made its own tables, so it is read before.

    Returns:
        None where it can be used, or nothing is there.
    """
    if isinstance(storage, Path):
        if not storage.exists():
            return None
        waiting = {"timeout": LOCK_TIMEOUT_S}
        engine = sqlalchemy.create_engine(f"sqlite:///{storage}", connect_args=waiting)
    else:
        engine = sqlalchemy.create_engine(read_url(storage))

    try:
        if not sqlalchemy.inspect(engine).has_table("alembic_version"):
            return None
        with engine.connect() as connection:
            rows = connection.execute(sqlalchemy.text("SELECT version_num FROM alembic_version"))
            versions = sorted(str(row[0]) for row in rows)
    finally:
        engine.dispose()

    foreign = [version for version in versions if not _OPTUNA_REVISION.fullmatch(version)]
    if foreign:
        return (
            f"holds tables of another program, such as MLflow (alembic_version is {', '.join(foreign)}); "
            "give another database or a schema of its own"
        )

    head = _installed_schema()
    if versions in ([], [head]):
        return None
    cure = (
        "update Optuna here (pip install -U optuna)"
        if max(map(_numbers, versions)) > _numbers(head)
        else "bring it up to date (optuna storage upgrade --storage <URL>)"
    )
    return (
        f"holds studies of another version of Optuna (tables {', '.join(versions)}, here {head}); "
        f"give another database or a schema of its own, or {cure}"
    )


def _numbers(revision: str) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", revision)))


@functools.cache
def _installed_schema() -> str:
    """Returns the version of the tables that the installed Optuna makes."""
    return optuna.storages.RDBStorage("sqlite://").get_head_version()


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
        raise StorageError(
            f"storage={description}: its driver is not installed ({error}); "
            "for PostgreSQL: pip install 'greenkd[postgresql]'"
        ) from error
    except _STORAGE_ERRORS as error:
        cause: BaseException = error
        while cause.__cause__ is not None:  # the database's own words; SQLite's say that a disk is full
            cause = cause.__cause__
        first_line = (str(cause).splitlines() or [type(cause).__name__])[0]
        if "://" not in description or description.startswith("sqlite"):
            raise StorageError(
                f"{description}: the Optuna study cannot be used ({first_line}); free space, make it writable, "
                "or close the program that holds it, and run the same command again: no finished trial is lost"
            ) from error

        kind = DatabaseLostError if is_lost(error) else StorageError
        raise kind(
            f"storage={description}: the database cannot be used ({first_line}); see that its server runs, and that "
            "host, user, password and database are right, and run the same command again: no finished trial is lost"
        ) from error


def set_aside_if_damaged(file: Path) -> None:
    """Renames an SQLite file that is broken or none at all, so that a new one can be made in its place.

    Raises:
        StorageError: The file is a link, or cannot be opened or renamed.
    """
    if _is_damaged(file):
        set_aside(file, "is damaged")


def set_aside(file: Path, trouble: str) -> None:
    """Renames an SQLite file, so that a new one can be made in its place.

    Args:
        file: Open in no connection of this process.
        trouble: What is wrong with it, for the log.

    Raises:
        StorageError: The file cannot be renamed.
    """
    aside = file.with_name(f"{file.name}.damaged")
    log.warning("%s: %s; set aside as %s, and built anew from trials.jsonl", file, trouble, aside.name)
    try:
        file.replace(aside)
        for name in ("-journal", "-wal", "-shm"):
            file.with_name(f"{file.name}{name}").unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{file}: is damaged and cannot be renamed ({error.strerror})") from error


def _is_damaged(file: Path) -> bool:
    if file.is_symlink():  # SQLite would write through it
        raise StorageError(f"{file}: is a link to {file.readlink()}; put the file itself there, or remove it")
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
