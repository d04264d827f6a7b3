"""Fetches a published archive and unpacks it, so that afterwards all of it is there with the right sum, or nothing."""

import hashlib
import shutil
from collections.abc import Callable, Collection
from pathlib import Path
from urllib.error import URLError

import torch.hub

from greenkd.data.archive import read_members
from greenkd.errors import DataError
from greenkd.locks import FileLocks
from greenkd.records.files import remove_leftovers, temporary_name


def download_archive(url: str, root: Path, *, md5: str, folder: str, names: Collection[str]) -> None:
    """Fetches a `.tar.gz` into a folder and unpacks it beside itself. One process does so, others wait for it.

    Args:
        url: Where the archive is published; the last part is its name.
        root: The folder that the archive and what is unpacked are put into; it is made if it is not there.
        md5: The archive's published MD5 sum (hex).
        folder: The folder inside the archive that holds the files.
        names: The files to unpack; each is a name in `folder`.

    Raises:
        DataError: The archive cannot be fetched or written, or what came has another sum.
    """
    fetch_archive(url, root, md5=md5, done=root / folder, unpack=lambda archive: _unpack(archive, folder, names))


def fetch_archive(url: str, root: Path, *, md5: str, done: Path, unpack: Callable[[Path], None]) -> None:
    """Fetches an archive into a folder, unless it lies there, and unpacks it. One process does so, others wait for it.

    Args:
        url: Where the archive is published; the last part is its name.
        root: The folder that the archive is put into; it is made if it is not there.
        md5: The archive's published MD5 sum (hex).
        done: A file or folder that is there once everything is unpacked.
        unpack: Unpacks the archive, `done` last.

    Raises:
        DataError: The archive cannot be fetched or written, or what came, or lies there, has another sum.
        StorageError: The file system of the folder cannot lock files.
    """
    archive = root / url.rpartition("/")[2]
    try:
        root.mkdir(parents=True, exist_ok=True)
        with FileLocks().lock(root / f"{archive.name}.lock", archive.name):
            if done.exists():
                return

            if not archive.exists():
                _fetch(url, archive, md5)
            elif (found := _md5(archive)) != md5:
                raise DataError(
                    f"{archive}: its MD5 sum is {found}, published is {md5}; it is damaged or not complete: "
                    "take it away to have it fetched again"
                )
            unpack(archive)
    except (URLError, OSError) as error:
        raise _failed(url, root, str(error)) from error


def _fetch(url: str, archive: Path, md5: str) -> None:
    """Fetches to a name of its own first: under the archive's name there is never a file with another sum."""
    unchecked = temporary_name(archive)
    torch.hub.download_url_to_file(url, str(unchecked))
    remove_leftovers(archive, unchecked.stat().st_mtime)

    fetched_md5 = _md5(unchecked)
    if fetched_md5 != md5:
        unchecked.unlink()
        raise _failed(url, archive.parent, f"its MD5 sum is {fetched_md5}, published is {md5}")
    unchecked.replace(archive)


def _md5(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _unpack(archive: Path, folder: str, names: Collection[str]) -> None:
    """Writes the files to a folder of another name first: one that was cut off is not taken for a whole one."""
    unfinished = temporary_name(archive)
    unfinished.mkdir()
    remove_leftovers(archive, unfinished.stat().st_mtime)

    contents = read_members(archive, [f"{folder}/{name}" for name in names])
    for name in names:
        if f"{folder}/{name}" in contents:
            (unfinished / name).write_bytes(contents[f"{folder}/{name}"])
    try:
        unfinished.rename(archive.parent / folder)
    except OSError:
        shutil.rmtree(unfinished)
        if not (archive.parent / folder).is_dir():  # else a machine that does not see our locks was quicker
            raise


def _failed(url: str, root: Path, cause: str) -> DataError:
    return DataError(
        f"{url}: download into {root} failed ({cause}); check the connection and the free space, "
        "or fetch the file by other means and give dataset.root=<its folder>"
    )
