"""The manifest of a finished campaign: which files it has, how long each is, and its SHA-256.

`manifest.json` is written last, and removed first where a campaign goes on. Lines may still be appended to a finished
campaign (its share of the command's end): the manifest speaks of a `.jsonl` file as far as it went, and what stands
below bears checksums of its own. The study is in no manifest: Optuna's dashboard may write into it, and the records
decide.
"""

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from greenkd.errors import RecordError
from greenkd.records.documents import read_json, write_json
from greenkd.records.files import read_bytes
from greenkd.records.row_files import row_files
from greenkd.records.schema import SCHEMA_VERSION
from greenkd.records.timestamps import now
from greenkd.records.validation import validated

FILE = "manifest.json"

_DOCUMENTS = ("campaign.json", "config.yaml")
_ROWS = ("trials.jsonl", "epochs.jsonl", "steps.jsonl", "tests.jsonl", "ledger.jsonl")
_WEIGHTS = ("student.safetensors",)


@dataclasses.dataclass(frozen=True, kw_only=True)
class FileEntry:
    """What a file was when its campaign had finished."""

    size_bytes: int
    sha256: str  # of its first `size_bytes` bytes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Manifest:
    """`manifest.json` in the folder of a finished campaign."""

    files: dict[str, FileEntry]
    created_at: str
    schema_version: int = SCHEMA_VERSION


def write_manifest(folder: Path) -> None:
    """Puts on record what the files of a campaign are now.

    Raises:
        StorageError: It cannot be written, or a link lies in the place of a file.
    """
    rows = [file.name for name in _ROWS for file in row_files(folder / name)]
    contents = {name: read_bytes(folder / name) for name in (*_DOCUMENTS, *rows, *_WEIGHTS)}
    entries = {name: _entry(content) for name, content in contents.items() if content is not None}
    manifest = Manifest(files=entries, created_at=now())
    write_json(folder / FILE, dataclasses.asdict(manifest))


def extend_manifest(folder: Path) -> None:
    """Takes lines into the manifest that were appended since, if there is one and all else is as it was.

    Raises:
        StorageError: It cannot be written.
    """
    try:
        manifest = read_manifest(folder)
    except RecordError:  # a damaged one says nothing; `python -m analysis --verify` names it
        return
    if manifest is not None and not differences(folder, manifest):
        write_manifest(folder)


def remove_manifest(folder: Path) -> None:
    """Removes the manifest of a campaign that goes on."""
    (folder / FILE).unlink(missing_ok=True)


def read_manifest(folder: Path) -> Manifest | None:
    """Reads the manifest of a campaign's folder; None if there is none.

    Raises:
        DamagedRecordError: It is no JSON, or not what was written.
        RecordError: It is no manifest.
    """
    try:
        fields: Any = read_json(folder / FILE)
    except FileNotFoundError:
        return None
    return validated(Manifest, fields, str(folder / FILE))


def differences(folder: Path, manifest: Manifest) -> dict[str, str]:
    """Holds the files of a folder against its manifest.

    Returns:
        What is wrong, by the file's name; empty where all is as it was.
    """
    found: dict[str, str] = {}
    for name in manifest.files:
        try:
            problem = difference(manifest.files, name, read_bytes(folder / name))
        except (RecordError, OSError) as error:
            problem = str(error)
        if problem is not None:
            found[name] = problem
    return found


def difference(files: Mapping[str, FileEntry], name: str, content: bytes | None) -> str | None:
    """Holds one file against the manifest.

    Args:
        files: The manifest's.
        name: The file's.
        content: What it holds now; None if it is not there.

    Returns:
        What is wrong; None if nothing is, or the manifest does not know the file.
    """
    entry = files.get(name)
    if entry is None:
        return None
    if content is None:
        return f"has vanished since its campaign finished ({entry.size_bytes} bytes)"
    if len(content) < entry.size_bytes:
        return f"was cut short since its campaign finished ({len(content)} of {entry.size_bytes} bytes)"

    may_grow = name.endswith(".jsonl")
    if _entry(content[: entry.size_bytes]) != entry or not (may_grow or len(content) == entry.size_bytes):
        return "was changed since its campaign finished: not the SHA-256 of its manifest"
    return None


def _entry(content: bytes) -> FileEntry:
    return FileEntry(size_bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
