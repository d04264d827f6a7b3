"""Several metered processes on one machine: who else reads the same device, so that no joule is counted twice.

Each process keeps a small locked file while its meter is open; the lock goes with the process, however it ends. A
reading that covers a whole device is divided equally among the processes whose meters read it.
"""

import fcntl
import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path

from greenkd.energy.meters.base import Part
from greenkd.records import open_file


def default_folder() -> Path:
    """Returns this user's folder for the machine's processes; it is emptied when the machine starts again.

    Not below TMPDIR where that can be helped: a scheduler gives every job one of its own.
    """
    memory = Path("/dev/shm")
    parent = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
    return parent / f"greenkd-meters-{os.getuid()}"


class Sharers:
    """This process among all that read the same devices.

    Args:
        shared: The devices behind each part, see `Meter.shared`; an empty set is shared with nobody.
        folder: Where processes leave their files; the same for all that are to know of each other.

    Raises:
        OSError: The folder cannot be written.
    """

    def __init__(self, shared: Mapping[Part, frozenset[str]], folder: Path | None = None) -> None:
        self._shared = shared
        self._folder = folder or default_folder()
        self._folder.mkdir(parents=True, exist_ok=True)

        # The file names the devices; its lock says that the process lives.
        descriptor, name = tempfile.mkstemp(prefix=f"{os.getpid()}-", suffix=".json", dir=self._folder)
        self._path = Path(name)
        self._file = os.fdopen(descriptor, "w", encoding="utf-8")
        fcntl.flock(self._file, fcntl.LOCK_EX)
        json.dump(sorted(set().union(*shared.values())), self._file)
        self._file.flush()

    def counts(self) -> dict[Part, int]:
        """Counts the living processes that read the devices of each part, this one included."""
        others = self._others()
        return {part: 1 + sum(bool(devices & other) for other in others) for part, devices in self._shared.items()}

    def close(self) -> None:
        """Removes this process's file, so that the others count it no longer."""
        self._path.unlink(missing_ok=True)
        self._file.close()

    def _others(self) -> list[frozenset[str]]:
        """Returns the devices of every other living process, and removes the files of those that are gone."""
        devices_of_others = []

        for path in self._folder.glob("*.json"):
            if path == self._path:
                continue

            try:
                with os.fdopen(open_file(path, os.O_RDWR), "r+", encoding="utf-8") as file:
                    devices = frozenset(json.load(file))
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()  # its process is gone
            except BlockingIOError:
                devices_of_others.append(devices)
            except (OSError, ValueError):
                continue  # it is being made or removed at this moment

        return devices_of_others
