"""Leases: locks in a database that machines share, for folders on which their own locks are not seen by each other.

A lease is a row with its holder, who lets the database know every `BEAT_S` seconds that it lives. One who has been
silent for `TAKEOVER_S` is taken to be dead, and the lease to be free: by the database's clock, so that no machine's
counts, and only after the taker itself has seen nothing change for two beats, so that the first one to come back after
the database was away takes nothing from a living holder. On the holder's own machine its death is known at once.
"""

import logging
import secrets
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import sqlalchemy
import sqlalchemy.exc
from sqlalchemy import Column, Float, Integer, String

from greenkd.errors import DatabaseLostError, StorageError
from greenkd.locks import Lock
from greenkd.locks.owner import Owner, has_died, this_owner
from greenkd.temperature.database import describe_url, is_lost, open_engine, patient

log = logging.getLogger(__name__)

T = TypeVar("T")

TAKEOVER_S = 90.0
BEAT_S = 15.0
# Between two looks at a lease that another process holds.
_LOOK_S = 1.0
_NAME_LENGTH = 255

# Seconds by the database's clock, at the moment of the question, not at the beginning of its transaction.
_CLOCKS = {
    "postgresql": "extract(epoch from clock_timestamp())",
    "mysql": "unix_timestamp(sysdate(6))",
    "mariadb": "unix_timestamp(sysdate(6))",
    "sqlite": "(julianday('now') - 2440587.5) * 86400.0",
}

_TABLE = sqlalchemy.Table(
    "greenkd_leases",
    sqlalchemy.MetaData(),
    Column("name", String(_NAME_LENGTH), primary_key=True),
    Column("token", String(32), nullable=False),  # of one holding of the lease
    Column("host", String(255), nullable=False),
    Column("namespace", String(64), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started", String(32), nullable=False),
    Column("taken_at", Float(53), nullable=False),
    Column("beat_at", Float(53), nullable=False),
    Column("beats", Integer, nullable=False),
)


class _Sight(NamedTuple):
    """A lease of another process, as this one has seen it first, by this process's monotonic clock."""

    token: str
    beats: int
    since_s: float


class DatabaseLocks:
    """Keeps locks as rows of a database.

    Args:
        url: Of the database.
        takeover_s: Silence after which a holder is taken to be dead.
        beat_s: Between two signs of life.

    Raises:
        DatabaseLostError: The database is away.
        StorageError: It cannot be used.
    """

    def __init__(self, url: str, *, takeover_s: float = TAKEOVER_S, beat_s: float = BEAT_S) -> None:
        self._description = f"storage={describe_url(url)}"
        self._takeover_s = takeover_s
        self._beat_s = beat_s
        self._owner = this_owner()
        self._engine = open_engine(url)
        clock = _CLOCKS.get(self._engine.dialect.name)
        if clock is None:
            raise StorageError(f"{self._description}: locks are kept in PostgreSQL, MySQL or MariaDB; give one of them")
        self._clock: Any = sqlalchemy.cast(sqlalchemy.literal_column(clock), Float(53))

        self._guard = threading.Lock()
        self._held: dict[str, str] = {}  # names, by token
        self._seen: dict[str, _Sight] = {}  # by name
        self._heart: threading.Thread | None = None
        self._is_given_up = False
        self._make_table()

    def lock(self, path: Path, name: str) -> "Lease":
        """Returns the lock of a name; `path` is for files."""
        return Lease(self, name)

    def forget_connections(self) -> None:
        """Closes all connections; what was seen of other processes before is too old to judge them by."""
        self._engine.dispose()
        self._seen.clear()

    def take(self, name: str) -> str | None:
        """Takes a lease that is free, or whose holder is dead.

        Returns:
            The token that stands for holding it; None if another process holds it.

        Raises:
            DatabaseLostError: The database has been away for longer than processes wait for it.
        """
        token = secrets.token_hex(16)
        if not self._patiently(lambda connection: self._take(connection, name[:_NAME_LENGTH], token)):
            return None

        with self._guard:
            self._held[token] = name
            if self._heart is None:
                self._heart = threading.Thread(target=self._live, name="greenkd-leases", daemon=True)
                self._heart.start()
        return token

    def give_back(self, token: str) -> None:
        """Ends the holding of a lease; if the database is away, silence ends it."""
        with self._guard:
            self._held.pop(token, None)
        try:
            self._patiently(lambda connection: connection.execute(_TABLE.delete().where(_TABLE.c.token == token)))
        except DatabaseLostError as error:
            log.warning("%s; other processes have its leases after %.0f s", error, self._takeover_s)

    def _take(self, connection: sqlalchemy.Connection, name: str, token: str) -> bool:
        """Takes a lease in one transaction; done twice with one token, it is done once."""
        row = connection.execute(
            sqlalchemy.select(_TABLE, self._clock.label("now")).where(_TABLE.c.name == name)
        ).first()
        if row is not None and row.token == token:
            return True
        life = {**self._owner._asdict(), "token": token, "taken_at": self._clock, "beat_at": self._clock, "beats": 0}
        if row is None:
            try:
                with connection.begin_nested():
                    connection.execute(_TABLE.insert().values(name=name, **life))
            except sqlalchemy.exc.IntegrityError:  # another process was quicker
                return False
            return True

        if not self._is_dead(row):
            return False
        unchanged = (_TABLE.c.name == name) & (_TABLE.c.token == row.token) & (_TABLE.c.beats == row.beats)
        if connection.execute(_TABLE.update().where(unchanged).values(**life)).rowcount != 1:
            return False
        log.warning(
            "%s: process %d on %s is dead; its lease of %s is taken over", self._description, row.pid, row.host, name
        )
        return True

    def _is_dead(self, row: Any) -> bool:
        """Tells whether the holder of a lease has died, as far as this process can know."""
        if has_died(Owner(row.host, row.namespace, row.pid, row.started)):
            return True

        seen, now_s = self._seen.get(row.name), time.monotonic()
        if seen is None or (seen.token, seen.beats) != (row.token, row.beats):
            self._seen[row.name] = seen = _Sight(row.token, row.beats, now_s)
        return row.now - row.beat_at > self._takeover_s and now_s - seen.since_s >= 2 * self._beat_s

    def _live(self) -> None:
        """Lets the database know that this process lives, as long as it holds leases."""
        while True:
            time.sleep(self._beat_s)
            with self._guard:
                tokens = list(self._held)
                if not tokens:
                    self._heart = None
                    return
            try:
                self._beat(tokens)
            except DatabaseLostError as error:
                log.debug("%s", error)  # whoever needs the database says so
                self.forget_connections()

    def _beat(self, tokens: list[str]) -> None:
        life = {"beat_at": self._clock, "beats": _TABLE.c.beats + 1}
        renewed = self._once(
            lambda connection: connection.execute(_TABLE.update().where(_TABLE.c.token.in_(tokens)).values(**life))
        ).rowcount
        with self._guard:
            lost = len(set(tokens) & self._held.keys()) - renewed
        if lost > 0:
            log.error(
                "%s: %d lease(s) of this process were taken over: it was silent for too long", self._description, lost
            )

    def _patiently(self, work: Callable[[sqlalchemy.Connection], T]) -> T:
        """Waits for a database that is away; once it has been for too long, each further use is tried but once."""
        try:
            result = self._once(work) if self._is_given_up else self._often(work)
        except DatabaseLostError:
            self._is_given_up = True
            raise
        self._is_given_up = False
        return result

    @patient
    def _often(self, work: Callable[[sqlalchemy.Connection], T]) -> T:
        return self._once(work)

    def _once(self, work: Callable[[sqlalchemy.Connection], T]) -> T:
        """Does some work, which may be done twice, in a transaction.

        Raises:
            DatabaseLostError: The database is away.
            StorageError: It refuses the work.
        """
        try:
            with self._engine.begin() as connection:
                return work(connection)
        except sqlalchemy.exc.SQLAlchemyError as error:
            first = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
            kind = DatabaseLostError if is_lost(error) else StorageError
            raise kind(f"{self._description}: {first}") from error

    def _make_table(self) -> None:
        """Makes the table of leases; of several processes that do so at once, one does."""
        for is_last in (False, True):
            try:
                self._once(_TABLE.metadata.create_all)
                return
            except DatabaseLostError:
                raise
            except StorageError:
                if is_last:
                    raise


class Lease(Lock):
    """A lock that is a row of a database.

    Args:
        locks: The database.
        name: The lock's.
    """

    def __init__(self, locks: DatabaseLocks, name: str) -> None:
        self._locks = locks
        self._name = name
        self._token: str | None = None

    def acquire(self, timeout_s: float | None = None) -> bool:
        """Takes the lock; see `Lock.acquire`."""
        deadline_s = None if timeout_s is None else time.monotonic() + timeout_s
        while True:
            self._token = self._locks.take(self._name)
            if self._token is not None:
                return True
            left_s = _LOOK_S if deadline_s is None else deadline_s - time.monotonic()
            if left_s <= 0:
                return False
            time.sleep(min(_LOOK_S, left_s))

    def release(self) -> None:
        """Lets other processes have the lock."""
        if self._token is not None:
            self._locks.give_back(self._token)
            self._token = None
