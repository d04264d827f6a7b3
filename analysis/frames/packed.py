"""Packed sweeps below the folders that are read: unpacked once, then read as any sweep."""

from collections.abc import Iterable
from pathlib import Path

from analysis.frames.problem import Problem
from greenkd.records import RecordError
from greenkd.records.packing import find_packed, unpack


def unpack_packed(roots: Iterable[Path], problems: list[Problem]) -> None:
    """Unpacks what is packed in some folders; an archive that is damaged is left out, and added to `problems`.

    Args:
        roots: The folders.
        problems: Receives the archives that cannot be read.

    Raises:
        StorageError: There is no room for the unpacked files, or the folder may not be written.
    """
    for root in roots:
        for archive in find_packed(root):
            try:
                unpack(archive)
            except RecordError as error:
                problems.append(Problem(str(archive), f"left out: {error}"))
