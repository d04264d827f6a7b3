"""Whether locks in files hold in a folder: on this machine, and across the machines that mount its file system.

A lock of `flock` that only this machine knows lets two machines train the same trial. Which file systems pass it on is
from flock(2), nfs(5), mount.cifs(8), mount.lustre(8), the kernel's notes on FUSE, 9p and virtiofs, and BeeGFS's on
`tuneUseGlobalFileLocks`.
"""

import dataclasses
import errno
import fcntl
import logging
import os
import re
import tempfile
from pathlib import Path

from greenkd.errors import StorageError

log = logging.getLogger(__name__)

_MOUNTS = Path("/proc/self/mountinfo")
_ESCAPED = re.compile(r"\\([0-7]{3})")  # blanks in names

_CURE = "Keep the locks in a database, storage=postgresql://…, or these folders on another disk (docs/clusters.md)"

CANNOT_LOCK = (errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS)
"""What systems answer where a file system cannot lock."""

# Kinds whose locks other machines do not see, whatever the options say.
_LOCAL = frozenset({"9p", "virtiofs", "vboxsf", "beegfs"})

# Of file systems in user space the kernel itself keeps the locks, apart for each mount, unless their program does it.
_FUSE = re.compile(r"fuse(\.|$)")
_LOCKING_FUSE = frozenset({"fuse.ceph-fuse", "fuse.glusterfs", "fuse.juicefs"})

# Devices of the file systems on which a lock was taken.
_tried: set[int] = set()


@dataclasses.dataclass(frozen=True)
class Mount:
    """Where a file system is mounted, of what kind it is, and with which options."""

    point: str
    kind: str
    options: frozenset[str]


def check_file_system(folder: Path) -> None:
    """Tries whether files in a folder can be locked, once for each file system; warns where other machines see no lock.

    Raises:
        StorageError: They cannot.
    """
    try:
        device = folder.stat().st_dev
    except OSError:  # whoever takes the lock says why
        return
    if device in _tried:
        return

    _try_lock(folder)
    _tried.add(device)
    mount = mount_of(folder)
    problem = None if mount is None else locality(mount)
    if problem is not None:
        log.warning("%s: %s. Use it from one machine at a time. %s", folder, problem, _CURE)


def _try_lock(folder: Path) -> None:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in CANNOT_LOCK:
            raise StorageError(cannot_lock(folder, error)) from error
        # Anything else is said by what is written there next.


def cannot_lock(folder: Path, error: Exception) -> str:
    """Returns what to tell a user whose file system refuses to lock a file."""
    mount = mount_of(folder)
    kind = "its file system" if mount is None else f"its file system ({mount.kind} at {mount.point})"
    why = error.strerror if isinstance(error, OSError) else str(error)
    return f"{folder}: {kind} cannot lock files ({why}), so processes would do the same work twice. {_CURE}"


def locality(mount: Mount) -> str | None:
    """Returns why other machines do not see locks on a file system, as far as its kind and options tell; else None."""
    kind, options = mount.kind, mount.options
    if kind in _LOCAL or (_FUSE.match(kind) and kind not in _LOCKING_FUSE):
        return f"locks on {kind} ({mount.point}) hold on this machine alone"

    telling = {
        "nfs": {"nolock", "local_lock=all", "local_lock=flock"},
        "nfs4": {"local_lock=all", "local_lock=flock"},
        "lustre": {"localflock"},
        "cifs": {"nobrl"},
        "smb3": {"nobrl"},
    }
    found = sorted(telling.get(kind, set()) & options)
    if found:
        return f"locks on {kind} ({mount.point}), mounted with {found[0]}, hold on this machine alone"
    return None


def mount_of(folder: Path, mounts: Path = _MOUNTS) -> Mount | None:
    """Returns the mount that a folder lies in; None where the system does not say.

    Args:
        folder: The folder.
        mounts: As Linux lists them, for tests.
    """
    place = os.path.realpath(folder)
    try:
        lines = mounts.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    except OSError:
        return None

    # The last one counts of those mounted over each other.
    found = None
    for line in lines:
        before, _, after = line.partition(" - ")
        fields, kind_fields = before.split(), after.split()
        point = _ESCAPED.sub(lambda match: chr(int(match[1], 8)), fields[4])
        if os.path.commonpath([point, place]) == point and (found is None or len(point) >= len(found.point)):
            options = {*fields[5].split(","), *(kind_fields[2].split(",") if len(kind_fields) > 2 else ())}
            found = Mount(point, kind_fields[0], frozenset(options))
    return found
