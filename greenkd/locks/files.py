"""Locks in files: the system releases them when their holder dies, at once, on every file system that honours them."""

from pathlib import Path

import filelock

from greenkd.errors import StorageError
from greenkd.locks.base import Lock
from greenkd.locks.file_system import CANNOT_LOCK, cannot_lock, check_file_system


class FileLocks:
    """Keeps locks in files."""

    def lock(self, path: Path, name: str) -> "FileLock":
        """Returns the lock that a file is; `name` is for databases.

        Raises:
            StorageError: The file system of its folder cannot lock files.
        """
        check_file_system(path.parent)
        return FileLock(path)


class FileLock(Lock):
    """A lock in a file.

    Args:
        path: The file, made if missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = filelock.FileLock(path)

    def acquire(self, timeout_s: float | None = None) -> bool:
        """Takes the lock; see `Lock.acquire`."""
        try:
            self._lock.acquire(timeout=-1 if timeout_s is None else timeout_s)
        except filelock.Timeout:
            return False
        except (OSError, NotImplementedError) as error:
            if isinstance(error, OSError) and error.errno not in CANNOT_LOCK:
                raise
            raise StorageError(cannot_lock(self._path, error)) from error
        return True

    def release(self) -> None:
        """Lets other processes have the lock."""
        self._lock.release()
