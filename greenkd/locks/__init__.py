"""Locks that processes share, on one machine or several, in files.

Where the machines share a database, `greenkd.leases` keeps them there.
"""

from greenkd.locks.base import Lock, Locks
from greenkd.locks.files import FileLocks

__all__ = ["FileLocks", "Lock", "Locks"]
