"""Finished sweeps packed for publication: the records of a sweep in one small file, without weights.

A packed sweep is a tar archive compressed by xz. It holds the sweep's JSON documents, files of lines and resolved
configurations, byte for byte as they were written, so that every checksum in them still fits. Weights, the Optuna
studies, locks and logs are left out. The one file that is written anew is each campaign's `manifest.json`, which names
the files that are there. The same sweep gives the same archive, to the last byte.
"""

import dataclasses
import hashlib
import io
import lzma
import shutil
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from greenkd.errors import RecordError, StorageError
from greenkd.records.checksum import with_check
from greenkd.records.documents import read_json, write_json
from greenkd.records.files import not_written, read_bytes, write_bytes
from greenkd.records.folders import make_folder
from greenkd.records.json_text import json_bytes
from greenkd.records.manifest import FILE as MANIFEST
from greenkd.records.manifest import read_manifest

SUFFIX = ".sweep.tar.xz"
UNPACKED = "unpacked"

_MARK = "packed.json"  # in an unpacked sweep: which archive it came from
_KEPT_SUFFIXES = (".json", ".jsonl")
_KEPT_NAMES = ("config.yaml",)
_MAX_BYTES = 2 * 1024**3  # of all files of an archive together


def pack(sweep: Path, archive: Path) -> int:
    """Packs the records of a sweep into one file.

    Args:
        sweep: The sweep's folder. That its campaigns have finished is the caller's to know.
        archive: The file that is written; its name ends in `SUFFIX`.

    Returns:
        How many files are in it.

    Raises:
        RecordError: A file is a link, or a manifest is damaged.
        StorageError: The archive cannot be written.
    """
    if not archive.name.endswith(SUFFIX):
        raise StorageError(f"{archive}: the name of a packed sweep ends in {SUFFIX}")

    buffer = io.BytesIO()
    count = 0
    with tarfile.open(fileobj=buffer, mode="w", format=tarfile.PAX_FORMAT) as tar:
        for path in _kept(sweep):
            content = _content(path)
            entry = tarfile.TarInfo(path.relative_to(sweep).as_posix())
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
            count += 1

    make_folder(archive.parent)
    write_bytes(archive, lzma.compress(buffer.getvalue(), preset=9 | lzma.PRESET_EXTREME))
    return count


def find_packed(root: Path) -> list[Path]:
    """Returns the packed sweeps in a folder and in the folders in it, sorted by path."""
    return sorted([*root.glob(f"*{SUFFIX}"), *root.glob(f"*/*{SUFFIX}")])


def unpack(archive: Path) -> Path:
    """Unpacks a packed sweep into `unpacked/<name>` beside it, unless that was done before.

    Returns:
        The unpacked sweep's folder.

    Raises:
        RecordError: The archive is damaged, or holds what no packed sweep does.
        StorageError: The folder cannot be written.
    """
    folder = archive.parent / UNPACKED / archive.name.removesuffix(SUFFIX)
    content = read_bytes(archive) or b""
    digest = hashlib.sha256(content).hexdigest()
    if _came_from(folder) == digest:
        return folder

    # Beside its place first, so that what is there is whole.
    make_folder(folder.parent)
    try:
        fresh = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
        try:
            _write_members(archive, content, fresh)
            write_json(fresh / _MARK, {"archive_sha256": digest})
            if folder.is_dir():
                shutil.rmtree(folder)
            fresh.rename(folder)
        except BaseException:
            shutil.rmtree(fresh, ignore_errors=True)
            raise
    except OSError as error:
        raise not_written(folder, error) from error
    return folder


def _kept(sweep: Path) -> Iterator[Path]:
    """Yields the files of a sweep that are packed, in one order; nothing in a hidden folder."""
    for path in sorted(sweep.rglob("*")):
        is_hidden = any(part.startswith(".") for part in path.relative_to(sweep).parts)
        if not is_hidden and (path.suffix in _KEPT_SUFFIXES or path.name in _KEPT_NAMES) and path.name != _MARK:
            yield path


def _content(path: Path) -> bytes:
    content = read_bytes(path)
    if content is None:
        raise RecordError(f"{path}: has vanished while its sweep was being packed")
    manifest = read_manifest(path.parent) if path.name == MANIFEST else None
    if manifest is None:
        return content

    # What is left out is not missing.
    kept = {name: entry for name, entry in manifest.files.items() if Path(name).suffix != ".safetensors"}
    fields = dataclasses.asdict(dataclasses.replace(manifest, files=kept))
    return with_check(json_bytes(fields, indent=2) + b"\n")


def _came_from(folder: Path) -> str | None:
    """Returns the digest of the archive that an unpacked sweep came from; None where there is no such sweep."""
    try:
        fields = read_json(folder / _MARK)
    except (OSError, RecordError):
        return None
    return str(fields.get("archive_sha256")) if isinstance(fields, dict) else None


def _write_members(archive: Path, content: bytes, folder: Path) -> None:
    """Writes the files of an archive into a folder: ordinary files in folders below it, and nothing else."""
    try:
        with tarfile.open(fileobj=io.BytesIO(content), mode="r:xz") as tar:
            total = 0
            for member in tar:
                total += member.size
                place = PurePosixPath(member.name)
                if not member.isfile() or place.is_absolute() or ".." in place.parts or total > _MAX_BYTES:
                    raise RecordError(
                        f"{archive}: {member.name!r} is nothing that a packed sweep holds; take another copy"
                    )

                file = tar.extractfile(member)
                assert file is not None
                target = folder / place
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read())
    except (tarfile.TarError, lzma.LZMAError, EOFError) as error:
        raise RecordError(f"{archive}: is no packed sweep, or was cut short ({error}); take another copy") from error
