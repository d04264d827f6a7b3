"""Finds the files of sweeps below some folders."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path


def find_files(roots: Iterable[Path], names: Sequence[str]) -> dict[str, list[Path]]:
    """Returns what lies below some folders under a few names, found in one walk for all of them.

    Args:
        roots: The folders; links in them are not followed.
        names: The names of the files.

    Returns:
        The paths by name, root by root, sorted.
    """
    found: dict[str, list[Path]] = {name: [] for name in names}
    for root in roots:
        of_root: dict[str, list[Path]] = {name: [] for name in names}
        for folder, folders, files in os.walk(root):
            for name in of_root.keys() & {*folders, *files}:
                of_root[name].append(Path(folder, name))

        for name, paths in of_root.items():
            found[name] += sorted(paths)
    return found
