"""Reads files out of archives, into memory or into one folder; nothing that an archive says leads outside it."""

import gzip
import io
import shutil
import tarfile
import zlib
from collections.abc import Collection, Sequence
from pathlib import Path, PurePosixPath

from greenkd.errors import DataError
from greenkd.records.files import remove_leftovers, temporary_name

MAX_BYTES = 1 << 29  # the largest official archive unpacks to 187 MB


def read_members(archive: Path, names: Collection[str]) -> dict[str, bytes]:
    """Reads the expected files of an archive.

    Args:
        archive: A gzip-compressed tar file.
        names: Paths inside the archive, with slashes.

    Returns:
        The contents of those that are there, by name.

    Raises:
        DataError: The archive is damaged, unpacks to more than `MAX_BYTES`, or holds an absolute path, a path through a
            parent folder, a link or a device.
    """
    contents: dict[str, bytes] = {}
    try:
        with gzip.open(archive) as stream, tarfile.open(fileobj=_Limited(stream, archive), mode="r|") as tar:
            for member in tar:
                _refuse_hostile(member, archive)

                name = str(PurePosixPath(member.name))
                file = tar.extractfile(member) if name in names else None
                if file is not None:
                    contents[name] = file.read()
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"{archive}: damaged archive ({error}); download it again") from error
    return contents


def unpack_tar(archive: Path, root: Path, folders: Sequence[str], *, limit: int) -> None:
    """Unpacks the files below some folders of a tar file; those of the last folder appear last.

    They are written elsewhere first and moved when all are there, so that a file of the last folder shows that all
    others are whole. What lies there under the same name is replaced.

    Args:
        archive: A tar file without compression.
        root: Where the folders' paths begin.
        folders: Paths inside the archive, with slashes.
        limit: Bytes that the files may take together.

    Raises:
        DataError: The archive is damaged, unpacks to more than `limit` bytes, or holds there what `read_members`
            refuses.
    """
    unfinished = temporary_name(archive)
    unfinished.mkdir()
    remove_leftovers(archive, unfinished.stat().st_mtime)

    wanted, remaining = [PurePosixPath(folder) for folder in folders], limit
    try:
        with tarfile.open(archive, mode="r:") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if member.isdir() or not any(folder in path.parents for folder in wanted):
                    continue

                _refuse_hostile(member, archive)
                remaining -= member.size
                file = tar.extractfile(member)
                if file is None or remaining < 0:
                    raise DataError(f"{archive}: unpacks to more than {limit} bytes; download the official archive")

                (unfinished / path).parent.mkdir(parents=True, exist_ok=True)
                with (unfinished / path).open("wb") as target:
                    shutil.copyfileobj(file, target)
    except (tarfile.TarError, EOFError) as error:
        raise DataError(f"{archive}: damaged archive ({error}); download it again") from error

    for folder in folders:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for file_path in sorted((unfinished / folder).iterdir()):
            file_path.replace(root / folder / file_path.name)
    shutil.rmtree(unfinished)


def _refuse_hostile(member: tarfile.TarInfo, archive: Path) -> None:
    """Raises DataError for a member that no official archive has and that could do harm if it were unpacked."""
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        trouble = "a path that leaves the archive"
    elif not (member.isdir() or member.type in (tarfile.REGTYPE, tarfile.AREGTYPE)) or member.issparse():
        trouble = "a link, a device or a sparse file"
    elif member.size > MAX_BYTES:
        trouble = f"{member.size} bytes"
    else:
        return

    raise DataError(f"{archive}: member {member.name!r} is {trouble}; download the official archive")


class _Limited(io.BufferedIOBase):
    """A stream that stops with DataError once more than `MAX_BYTES` have been read.

    Sizes are counted while the archive is decompressed, headers included: a small file can unpack to an absurd size.
    """

    def __init__(self, stream: gzip.GzipFile, archive: Path) -> None:
        self._stream = stream
        self._archive = archive
        self._remaining = MAX_BYTES

    def read(self, size: int | None = -1, /) -> bytes:
        block = self._stream.read(size)
        self._remaining -= len(block)
        if self._remaining < 0:
            raise DataError(f"{self._archive}: unpacks to more than {MAX_BYTES} bytes; download the official archive")
        return block
