import tarfile
from pathlib import Path

import pytest

from greenkd.data import archive
from greenkd.data.archive import read_members
from greenkd.errors import DataError

from .layouts import tar_gz


def member(
    name: str, kind: bytes = tarfile.REGTYPE, target: str = "", *, size: int = 0, headers: dict[str, str] | None = None
) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size, info.pax_headers = kind, target, size, headers or {}
    return info


def test_reads_the_expected_files_only(tmp_path: Path) -> None:
    path = tar_gz(
        tmp_path / "a.tar.gz", {"d/one": b"1", "./d/two": b"22", "d/three": b"333"}, member("d", tarfile.DIRTYPE)
    )
    assert read_members(path, ["d/one", "d/two", "d/none"]) == {"d/one": b"1", "d/two": b"22"}


@pytest.mark.parametrize(
    "hostile",
    [
        member("/etc/passwd"),
        member("../outside"),
        member("d/../../outside"),
        member("d/one", tarfile.SYMTYPE, "/etc/passwd"),
        member("d/one", tarfile.LNKTYPE, "d/other"),
        member("d/fifo", tarfile.FIFOTYPE),
        member("d/dev", tarfile.CHRTYPE),
        member("d/gnu", tarfile.GNUTYPE_SPARSE),
        member("d/pax", headers={"GNU.sparse.map": "0,0", "GNU.sparse.size": "9"}),
    ],
    ids=lambda info: f"{info.name}-{info.type.decode()}",
)
def test_refuses_hostile_members(tmp_path: Path, hostile: tarfile.TarInfo) -> None:
    path = tar_gz(tmp_path / "a.tar.gz", {}, hostile, member("d/after"))
    with pytest.raises(DataError, match=r"a\.tar\.gz: member .* is a (path|link)"):
        read_members(path, ["d/one"])


def test_refuses_absurd_sizes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 100_000)
    one = tar_gz(tmp_path / "one.tar.gz", {}, member("big", size=100_001))
    with pytest.raises(DataError, match="'big' is 100001 bytes"):
        read_members(one, ["d/one"])
    many = tar_gz(tmp_path / "many.tar.gz", {}, *(member(f"m{n}", size=60_000) for n in range(2)))
    with pytest.raises(DataError, match="unpacks to more than 100000 bytes"):
        read_members(many, ["d/one"])


@pytest.mark.parametrize("keep", [0, 5, 40, -20])
def test_a_damaged_archive_is_an_error_of_ours(tmp_path: Path, keep: int) -> None:
    path = tar_gz(tmp_path / "a.tar.gz", {"d/one": bytes(range(256)) * 50})
    path.write_bytes(path.read_bytes()[:keep] if keep else b"no gzip at all")
    with pytest.raises(DataError, match=r"a\.tar\.gz: damaged archive"):
        read_members(path, ["d/one"])
