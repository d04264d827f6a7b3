"""The looks that were taken at a sweep: at how many seeds a verdict on it has been printed.

Who looks several times has several chances to be wrong, so the level of a look depends on the earlier ones
(`analysis.results.sequential_looks`). They stand in `looks.json`, in the folder of the sweep.
"""

import functools
from collections.abc import Iterable, Mapping
from pathlib import Path

from analysis.frames.problem import Problem
from greenkd.identity import sweep_folder
from greenkd.records import read_json, write_json

FILE = "looks.json"

# Seeds at which a verdict was printed, rising, by setting_id, strategy and control.
Looks = dict[tuple[str, str, str], tuple[int, ...]]


def sweep_folders(roots: Iterable[Path], folders: Iterable[Path]) -> list[Path]:
    """Returns where the looks at some campaigns are kept.

    Args:
        roots: The folders that were asked for.
        folders: The campaigns' folders.

    Returns:
        The folders of their sweeps. Campaigns that lie otherwise than a sweep puts them, and those of a part of a
        sweep's folder, are looked at as the folder that was asked for.
    """
    known = tuple(roots)
    return list(dict.fromkeys(_sweep_folder(folder, known) for folder in folders))


@functools.lru_cache(maxsize=65536)
def _sweep_folder(folder: Path, roots: tuple[Path, ...]) -> Path:
    """Returns where the looks at one campaign are kept; verdict by verdict the same campaigns are asked for."""
    root = next((root for root in roots if folder.is_relative_to(root)), folder)
    sweep = sweep_folder(folder)
    is_below = sweep != folder and sweep.is_relative_to(root)
    return sweep if is_below else root


def read_looks(folders: Iterable[Path], problems: list[Problem]) -> Looks:
    """Reads the looks on record in some folders; a file that is damaged has none, and is added to `problems`."""
    looks: Looks = {}

    for folder in folders:
        path = folder / FILE
        try:
            entries = read_json(path)["looks"]
            read = {
                (str(entry["setting_id"]), str(entry["strategy"]), str(entry["control"])): [
                    int(seeds) for seeds in entry["seeds"]
                ]
                for entry in entries
            }
        except FileNotFoundError:
            continue
        except (OSError, ValueError, KeyError, TypeError) as error:
            problems.append(Problem(str(path), f"earlier looks are not known: {error}"))
            continue

        for key, seeds in read.items():
            looks[key] = tuple(sorted({*looks.get(key, ()), *seeds}))

    return looks


def write_looks(folder: Path, looks: Mapping[tuple[str, str, str], Iterable[int]]) -> None:
    """Replaces the looks on record in a folder.

    Raises:
        StorageError: They are not on disk.
    """
    entries = [
        {"setting_id": setting_id, "strategy": strategy, "control": control, "seeds": sorted(seeds)}
        for (setting_id, strategy, control), seeds in sorted(looks.items())
    ]
    write_json(folder / FILE, {"looks": entries})
