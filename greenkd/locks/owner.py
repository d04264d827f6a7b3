"""Who holds a lock, told apart from every other process, and whether it has died, where this machine can know."""

import os
from pathlib import Path
from typing import NamedTuple

from greenkd.whereabouts import this_host

_STATE, _START_TIME = 0, 19  # of the fields that follow a process's name


class Owner(NamedTuple):
    """A process.

    Attributes:
        host: The machine and its boot.
        namespace: Within which its number holds: a container may have one of its own.
        pid: Its number.
        started: When it was started, in ticks since the boot.
    """

    host: str
    namespace: str
    pid: int
    started: str


def this_owner() -> Owner:
    """Returns this process."""
    return Owner(this_host(), _namespace(), os.getpid(), _start_of(os.getpid()) or "")


def has_died(owner: Owner) -> bool:
    """Tells whether a process of this machine has ended; of those in other containers or elsewhere nobody knows."""
    if (owner.host, owner.namespace) != (this_host(), _namespace()) or not owner.started:
        return False
    return _start_of(owner.pid) != owner.started


def _namespace() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _start_of(pid: int) -> str | None:
    """Returns when a process was started; None if there is none, or only what is left of one that has ended."""
    try:
        # The name is in brackets, and may itself hold brackets and spaces.
        text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    return None if fields[_STATE] in ("Z", "X") else fields[_START_TIME]
