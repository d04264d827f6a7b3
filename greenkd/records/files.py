"""Opening and writing files: no link is followed, and a file that is replaced is there as it was, or as it is to be."""

import contextlib
import errno
import os
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from greenkd.errors import RecordError, StorageError
from greenkd.whereabouts import process_name

# Nothing is written for so long: what has not changed since was left behind.
_LEFT_BEHIND_S = 3600.0


def write_text(path: Path, text: str) -> None:
    """Replaces a file by text in UTF-8; see `write_bytes`."""
    write_bytes(path, text.encode())


def write_bytes(path: Path, content: bytes) -> None:
    """Writes to a temporary name beside `path`, flushes to disk, renames: readers see the old file or the new one.

    No two processes ever have a temporary name in common, on whatever machines. One that was left behind is removed
    when nobody can be writing it any more.

    Raises:
        StorageError: It is not on disk; what was there before still is.
    """
    temporary = temporary_name(path)
    try:
        # Renaming would only replace a link, but whoever put it there expects something else.
        if path.is_symlink():
            raise LinkError(path)

        descriptor = open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            remove_leftovers(path, os.fstat(file.fileno()).st_mtime)

        temporary.replace(path)
        _sync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):  # its folder may not even exist
            temporary.unlink(missing_ok=True)
        raise not_written(path, error) from error


def temporary_name(path: Path) -> Path:
    """Returns a name beside `path` that this process alone writes to, until it renames it."""
    return path.with_name(f".{path.name}.{process_name()}.tmp")


def remove_leftovers(path: Path, now_s: float) -> None:
    """Removes temporary files and folders of a path that a killed process left.

    Args:
        path: What they would have become.
        now_s: The time by the clock of their file system, which may be another machine's.
    """
    for leftover in path.parent.glob(f".{path.name}.*.tmp"):
        with contextlib.suppress(OSError):
            if now_s - leftover.stat().st_mtime > _LEFT_BEHIND_S:
                shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink()


def read_bytes(path: Path) -> bytes | None:
    """Reads a whole file that is no link; None if there is none.

    Raises:
        RecordError: It is a link, or no file.
    """
    try:
        descriptor = open_file(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except LinkError as error:
        raise RecordError(f"{path}: {error.strerror}") from error

    with os.fdopen(descriptor, "rb") as file:
        return file.read()


class LinkError(OSError):
    """A link, a pipe or a device lies in the place of a file of ours."""

    def __init__(self, path: Path) -> None:
        what = f"a link to {path.readlink()}" if path.is_symlink() else "no ordinary file"
        super().__init__(
            errno.ELOOP, f"is {what}; records are kept in files of their own: put the file itself there, or remove it"
        )


def open_file(path: Path, flags: int) -> int:
    """Opens an ordinary file without following a link, and returns its descriptor.

    A link in the place of a record would have somebody else's file written to, or read as ours. Links among the folders
    above it are followed: people keep their sweeps on other disks.

    Raises:
        LinkError: It is a link, a pipe or a device.
        OSError: It cannot be opened.
    """
    try:
        # Without waiting for the other end, if it is a pipe.
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if path.is_symlink() or error.errno == errno.ENXIO:
            raise LinkError(path) from error
        raise

    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LinkError(path)
    return descriptor


def refuse_links(folder: Path, patterns: Iterable[str]) -> None:
    """Refuses links in the places of files that other programs' code opens for us: locks, logs, a database.

    Args:
        folder: Where to look.
        patterns: As `Path.glob` takes them.

    Raises:
        StorageError: There is one.
    """
    for pattern in patterns:
        # A name without a star is not asked of `glob`, which passes over links that lead nowhere.
        for path in folder.glob(pattern) if "*" in pattern else [folder / pattern]:
            if path.is_symlink():
                raise not_written(path, LinkError(path))


def _sync(folder: Path) -> None:
    """Waits until the names in a folder are on disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def not_written(path: Path, error: OSError) -> StorageError:
    """Returns what to tell a user whose disk refused a write."""
    if isinstance(error, LinkError):
        return StorageError(f"{path}: {error.strerror}")
    if isinstance(error, FileNotFoundError):
        return StorageError(f"{path}: its folder was removed meanwhile; the same command makes it anew")

    return StorageError(
        f"{path}: cannot be written ({error.strerror}); "
        "free some space or make the folder writable, then run the same command again"
    )
