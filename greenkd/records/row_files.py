"""The files that rows of one name lie in: each process appends to a file of its own, and readers merge them.

Network file systems do not promise that two machines can append to one file. The process that makes `ledger.jsonl`
keeps it to itself; every other one, a later process that goes on with the campaign too, makes a
`ledger.<host>-<pid>-<six digits>.jsonl` beside it. So whoever finds any rows finds the plain name among them.
"""

import os
from pathlib import Path

from greenkd.records.files import LinkError, not_written, open_file
from greenkd.whereabouts import process_name

# By process, since a forked one inherits this: where it appends, by the plain path.
_own: dict[tuple[int, str], Path] = {}


def row_files(path: Path) -> list[Path]:
    """Returns where rows of one name may lie: the plain path, there or not, then the files beside it by name.

    Args:
        path: The plain path, such as `<campaign>/ledger.jsonl`.
    """
    try:
        with os.scandir(path.parent) as entries:
            names = sorted(entry.name for entry in entries if is_row_file(entry.name, path.name))
    except OSError:  # there is no such folder
        names = []
    return [path, *(path.with_name(name) for name in names if name != path.name)]


def is_row_file(name: str, plain: str) -> bool:
    """Tells whether a file of this name holds rows of a plain name, as `row_files` finds them.

    Args:
        name: A file's name.
        plain: Such as `ledger.jsonl`.
    """
    stem, dot, suffix = plain.rpartition(".")
    return name == plain or (name.startswith(f"{stem}.") and name.endswith(f"{dot}{suffix}"))


def claim_row_file(path: Path) -> None:
    """Makes the file that this process will append to, if it has none yet.

    Args:
        path: The plain path, whose folder is there.

    Raises:
        StorageError: It cannot be made.
    """
    try:
        os.close(open_own(path))
    except OSError as error:
        raise not_written(path, error) from error


def open_own(path: Path) -> int:
    """Opens the file that this process alone appends to, and returns its descriptor.

    Args:
        path: The plain path.

    Raises:
        LinkError: A link, a pipe or a device lies in its place.
        OSError: It cannot be opened.
    """
    flags = os.O_RDWR | os.O_APPEND
    key = os.getpid(), str(path.absolute())
    if key in _own:
        try:
            return open_file(_own[key], flags)
        except FileNotFoundError:
            del _own[key]  # somebody has emptied the folder

    try:
        descriptor, own = open_file(path, flags | os.O_CREAT | os.O_EXCL), path
    except FileExistsError:
        if not path.is_file():
            raise LinkError(path) from None
        own = path.with_name(f"{path.stem}.{process_name()}{path.suffix}")
        descriptor = open_file(own, flags | os.O_CREAT)
    _own[key] = own
    return descriptor
