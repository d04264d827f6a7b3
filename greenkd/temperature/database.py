"""A database that several machines share: its address, a check before anything is trained, and patience with it."""

import functools
import logging
from collections.abc import Callable
from typing import Concatenate, ParamSpec, Protocol, TypeVar

import optuna
import sqlalchemy
import sqlalchemy.engine
import sqlalchemy.exc
import tenacity

from greenkd.errors import DatabaseLostError, StorageError


class UsesDatabase(Protocol):
    """What `patient` needs of an object whose methods it wraps."""

    def forget_connections(self) -> None:
        """Closes all connections, whatever state they are in; the next use opens new ones."""


_User = TypeVar("_User", bound=UsesDatabase)
_Arguments = ParamSpec("_Arguments")
_Result = TypeVar("_Result")

log = logging.getLogger(__name__)

# How long a database may be away, for an update say, before a process that needs it gives up.
PATIENCE_S = 300.0

# A scheme alone leaves the choice of the driver to SQLAlchemy, which names one that is no longer kept.
_DRIVERS = {"postgresql": "postgresql+psycopg", "postgres": "postgresql+psycopg"}

_NO_URL = (
    "storage: is no URL of a database; give postgresql://user@host/name, or percent-encode what a user name or "
    "password has of / : @ (%2F %3A %40)"
)


def read_url(text: str) -> sqlalchemy.URL:
    """Returns the parts of a database's URL; PostgreSQL is spoken to through psycopg 3 unless the URL names a driver.

    Raises:
        StorageError: The text is no URL. The message does not repeat it, for it may hold a password.
    """
    # An @ in a password would make the rest of the password part of the host's name, which messages show.
    authority = text.partition("://")[2].partition("/")[0]
    try:
        url = sqlalchemy.engine.make_url(text)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        raise StorageError(_NO_URL) from None
    if authority.count("@") > 1 or "@" in (url.host or "") or (url.host and "@" in (url.database or "")):
        raise StorageError(_NO_URL)

    return url.set(drivername=_DRIVERS.get(url.drivername, url.drivername))


def describe_url(text: str) -> str:
    """Returns a database's URL without its password, for messages and records.

    Raises:
        StorageError: The text is no URL.
    """
    return read_url(text).render_as_string(hide_password=True)


def open_database(text: str) -> optuna.storages.RDBStorage:
    """Opens the database at a URL; connections that a restart of the server has cut are noticed before their use."""
    url = read_url(text)
    if url.get_backend_name() == "sqlite":
        return optuna.storages.RDBStorage(text)
    return optuna.storages.RDBStorage(url.render_as_string(hide_password=False), engine_kwargs={"pool_pre_ping": True})


def open_engine(text: str) -> sqlalchemy.Engine:
    """Opens the database at a URL for tables of our own, likewise."""
    return sqlalchemy.create_engine(read_url(text), pool_pre_ping=True)


def is_lost(error: BaseException) -> bool:
    """Tells whether an error of a database means that it is away, or refuses connections, and may come back."""
    cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
    # A transaction that was cut off and could not be rolled back is the second sight of the same loss.
    if isinstance(cause, sqlalchemy.exc.PendingRollbackError | sqlalchemy.exc.OperationalError):
        return True
    return isinstance(cause, sqlalchemy.exc.DBAPIError) and cause.connection_invalidated


def patient(
    method: Callable[Concatenate[_User, _Arguments], _Result],
) -> Callable[Concatenate[_User, _Arguments], _Result]:
    """Lets a method wait while its database is away: it is called again until it succeeds or `PATIENCE_S` are over.

    The method has to do no harm when called twice.
    """

    @functools.wraps(method)
    def call(self: _User, /, *args: _Arguments.args, **kwargs: _Arguments.kwargs) -> _Result:
        def prepare(state: tenacity.RetryCallState) -> None:
            self.forget_connections()
            if state.attempt_number == 1 and state.outcome is not None:
                log.warning("%s\n  waiting up to %.0f min for it", state.outcome.exception(), PATIENCE_S / 60)

        retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(DatabaseLostError),
            stop=tenacity.stop_after_delay(PATIENCE_S),
            wait=tenacity.wait_exponential(multiplier=0.25, max=15),
            before_sleep=prepare,
            reraise=True,
        )
        return retrying(method, self, *args, **kwargs)

    return call
