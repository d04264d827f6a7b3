"""Files that a disk does not take while Hydra is at work, outside our campaigns: one line, and exit code 2.

Hydra writes `multirun.yaml`, `.hydra/` and a log for every job, and answers an error there with its traceback; an error
in a callback it turns into a warning, and goes on. The files of campaigns are answered where they are written.
"""

import contextlib
import errno
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hydra._internal.utils

from greenkd.errors import GreenkdError
from greenkd.records import not_written
from greenkd.sweep.terminal import refuse

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_NOT_WRITABLE = (*_FULL, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO)


def is_full(error: BaseException) -> bool:
    """Tells whether an error comes of a disk that has no room, inodes or quota left: what follows would fail alike."""
    return _failed_write(error, _FULL) is not None or any(
        isinstance(cause, sqlite3.Error) and getattr(cause, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL
        for cause in _causes(error)
    )


@contextlib.contextmanager
def refusing_failed_writes() -> Iterator[None]:
    """As `refusing`, for files that Hydra writes itself too."""
    reporting = hydra._internal.utils.run_and_report

    def run_and_report(func: Callable[[], Any]) -> Any:
        def run_or_refuse() -> Any:
            with refusing():
                return func()

        return reporting(run_or_refuse)

    # Hydra prints the traceback here and ends the process: nobody outside could do it in another way.
    hydra._internal.utils.run_and_report = run_and_report
    try:
        with refusing():
            yield
    finally:
        hydra._internal.utils.run_and_report = reporting


@contextlib.contextmanager
def refusing() -> Iterator[None]:
    """Ends the process with a line where a file cannot be written in the block, or in the function it decorates."""
    try:
        yield
    except Exception as error:
        if _failed_write(error, _NOT_WRITABLE) is None:
            raise
        refuse(in_words(error))


def in_words(error: Exception) -> str:
    """Returns what to tell the user of an error: where it comes of a failed write, which file, and what to do."""
    write = _failed_write(error, _NOT_WRITABLE)
    if write is None or isinstance(error, GreenkdError):
        return str(error)
    return str(not_written(Path(write.filename or "a file of this command"), write))


def _failed_write(error: BaseException, numbers: tuple[int, ...]) -> OSError | None:
    """Returns the operating system's error, one of some numbers, that another comes of; None if it comes of none."""
    found = (cause for cause in _causes(error) if isinstance(cause, OSError) and cause.errno in numbers)
    return next(found, None)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yields an error, what it was raised from, and so on."""
    cause: BaseException | None = error
    while cause is not None:
        yield cause
        cause = cause.__cause__ or cause.__context__
