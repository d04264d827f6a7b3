"""Kinds of file systems, as Linux lists them, and what a disk that cannot lock is answered with."""

import errno
import fcntl
import logging
import os
from pathlib import Path

import pytest

from greenkd.errors import StorageError
from greenkd.locks import FileLocks, file_system
from greenkd.locks.file_system import Mount, locality, mount_of


def test_the_longest_mount_point_above_a_folder_counts_and_of_two_at_one_place_the_upper(tmp_path: Path) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(
        "1 0 8:1 / / rw,relatime - ext4 /dev/root rw\n"
        "2 1 0:40 / /home rw shared:1 - nfs 10.0.0.1:/home rw,vers=3,nolock,addr=10.0.0.1\n"
        "3 1 0:41 / /home/a\\040b rw - lustre x@tcp:/fs rw,localflock\n"
        "4 1 0:42 / /data rw - nfs4 10.0.0.1:/data rw,vers=4.2,local_lock=none\n"
        "5 1 0:43 / /data rw - fuse.sshfs me@there: rw,user_id=0\n"
    )
    assert mount_of(Path("/home/a b/c"), mounts) == Mount("/home/a b", "lustre", frozenset({"rw", "localflock"}))
    assert getattr(mount_of(Path("/home/abc"), mounts), "kind", None) == "nfs"
    assert getattr(mount_of(Path("/data"), mounts), "kind", None) == "fuse.sshfs"
    assert getattr(mount_of(Path("/datum"), mounts), "kind", None) == "ext4"
    assert mount_of(Path("/"), tmp_path / "missing") is None


@pytest.mark.parametrize(
    ("kind", "options", "holds"),
    [
        ("ext4", "rw", True),
        ("nfs", "rw,vers=3,local_lock=none", True),
        ("nfs", "rw,vers=3,nolock", False),
        ("nfs4", "rw,local_lock=flock", False),
        ("nfs4", "rw,vers=4.2", True),
        ("lustre", "rw,flock", True),
        ("lustre", "rw,localflock", False),
        ("cifs", "rw,nobrl", False),
        ("ceph", "rw", True),
        ("9p", "rw,trans=virtio", False),
        ("fuse.sshfs", "rw", False),
        ("fuse", "rw", False),
        ("fuse.glusterfs", "rw", True),
        ("fuseblk", "rw", True),
    ],
)
def test_which_locks_other_machines_see(kind: str, options: str, holds: bool) -> None:
    assert (locality(Mount("/x", kind, frozenset(options.split(",")))) is None) == holds


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_a_disk_that_cannot_lock_is_refused_in_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(file: object, operation: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(file_system, "_tried", set())
    monkeypatch.setattr(fcntl, "flock", refuse)
    with pytest.raises(StorageError, match=r"cannot lock files \(.*storage=postgresql") as refused:
        FileLocks().lock(tmp_path / "a.lock", "a")
    assert str(refused.value).count("\n") == 0


def test_locks_that_one_machine_alone_sees_are_warned_of_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(file_system, "_tried", set())
    monkeypatch.setattr(file_system, "mount_of", lambda folder: Mount("/mnt", "9p", frozenset()))
    with caplog.at_level(logging.WARNING):
        for name in ("a", "b"):
            with FileLocks().lock(tmp_path / f"{name}.lock", name):
                pass
    assert caplog.text.count("locks on 9p (/mnt) hold on this machine alone") == 1


def test_one_process_at_a_time_has_a_file(tmp_path: Path) -> None:
    first, second = (FileLocks().lock(tmp_path / "a.lock", "a") for _ in range(2))
    assert first.acquire(0)
    assert not second.acquire(0)
    first.release()
    assert second.acquire(0)
    second.release()
