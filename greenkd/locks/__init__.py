"""Locks that processes share, on one machine or several: in files, or in a database that the machines share.

`greenkd.locks.database` is imported where a database is given: it brings Optuna and SQLAlchemy.
"""

from greenkd.locks.base import Lock, Locks
from greenkd.locks.files import FileLocks

__all__ = ["FileLocks", "Lock", "Locks"]
