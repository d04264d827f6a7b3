"""Reading and writing record files: lines are only ever appended, whole files are replaced at once."""

import dataclasses
import errno
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Generic, TypeVar

import pydantic

from greenkd.errors import DamagedRecordError, RecordError, StorageError
from greenkd.records.campaign import CampaignRecord, TeacherRecord
from greenkd.records.ledger import LedgerRow
from greenkd.records.schema import READABLE_VERSIONS, SCHEMA_VERSION, upgrade
from greenkd.records.sweep import BlockRow, EstimateRecord, ProcessRow
from greenkd.records.trial import CorrectnessRow, EpochRow, StepsRow, TrialRow

AnyRow = LedgerRow | EpochRow | StepsRow | TrialRow | CorrectnessRow | BlockRow | ProcessRow
Row = TypeVar("Row", LedgerRow, EpochRow, StepsRow, TrialRow, CorrectnessRow, BlockRow, ProcessRow)
Record = TypeVar("Record")


@dataclasses.dataclass(frozen=True)
class Lines(Generic[Row]):
    """The rows of a file, and the lines that could not be read.

    Attributes:
        rows: The rows, in the order of the file.
        torn: Lines that are no JSON, as they are when a write is cut off.
    """

    rows: list[Row]
    torn: list[str]


def append_row(path: Path, row: AnyRow) -> None:
    """Appends one line in one write, so that lines of several processes never mix.

    Where the file ends in a line that was cut off, the new line begins below it: one torn line never costs two.

    Raises:
        StorageError: The line is not on disk.
    """
    line = json.dumps(dataclasses.asdict(row), allow_nan=False, separators=(",", ":")).encode() + b"\n"

    try:
        descriptor = open_file(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line

            if os.write(descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # the rest would not fit either
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise not_written(path, error) from error


def read_rows(path: Path, kind: type[Row]) -> Lines[Row]:
    """Reads a `.jsonl` file; a missing file has no rows.

    Raises:
        RecordError: A whole line is of an unknown schema version, or not a row of this kind.
    """
    content = _read_bytes(path)
    return Lines([], []) if content is None else parse_rows(content, kind, path)


def parse_rows(content: bytes, kind: type[Row], path: Path) -> Lines[Row]:
    """Reads lines of a `.jsonl` file.

    Args:
        content: Some of its lines.
        kind: What they are.
        path: The file, for messages.

    Raises:
        RecordError: As for `read_rows`.
    """
    rows: list[Row] = []
    torn: list[str] = []
    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except ValueError:
            torn.append(line.decode(errors="replace"))
            continue

        rows.append(_validated(kind, fields, f"{path}:{number}"))
    return Lines(rows, torn)


def write_campaign(path: Path, record: CampaignRecord) -> None:
    """Replaces `campaign.json` as a whole."""
    write_json(path, dataclasses.asdict(record))


def read_campaign(path: Path) -> CampaignRecord:
    """Reads `campaign.json`.

    Raises:
        DamagedRecordError: It is no JSON.
        RecordError: It is no campaign record of a known schema version.
    """
    fields = _read_json(path)
    return _validated(CampaignRecord, fields, str(path))


def write_teacher(path: Path, record: TeacherRecord) -> None:
    """Replaces `teacher.json` as a whole."""
    write_json(path, dataclasses.asdict(record) | {"schema_version": SCHEMA_VERSION})


def read_teacher(path: Path) -> TeacherRecord:
    """Reads `teacher.json`.

    Raises:
        DamagedRecordError: It is no JSON.
        RecordError: It is no teacher record of a known schema version.
    """
    fields = _read_json(path)

    # Version 1 of the schema wrote no version into this file.
    if isinstance(fields, dict):
        fields.setdefault("schema_version", 1)
    return _validated(TeacherRecord, fields, str(path))


def write_estimate(path: Path, record: EstimateRecord) -> None:
    """Replaces `estimate.json` as a whole."""
    write_json(path, dataclasses.asdict(record))


def read_estimate(path: Path) -> EstimateRecord | None:
    """Reads `estimate.json`; None if there is none.

    Raises:
        RecordError: It is no estimate of a known schema version.
    """
    content = _read_bytes(path)
    if content is None:
        return None

    try:
        fields = json.loads(content)
    except ValueError as error:
        raise RecordError(f"{path}: not JSON ({error}); delete it, or run the estimate again") from error

    return _validated(EstimateRecord, fields, str(path))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes JSON; see `write_text`."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes to a temporary name beside `path`, flushes to disk, renames: readers see the old file or the new one.

    Only one process at a time writes a path (its caller holds a lock), so what others left half-written is removed.

    Raises:
        StorageError: It is not on disk; what was there before still is.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        for leftover in path.parent.glob(f".{path.name}.*.tmp"):
            leftover.unlink(missing_ok=True)

        # Renaming would only replace a link, but whoever put it there expects something else.
        if path.is_symlink():
            raise LinkError(path)

        descriptor = open_file(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())

        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise not_written(path, error) from error


class LinkError(OSError):
    """A link, a pipe or a device lies in the place of a record file."""

    def __init__(self, path: Path) -> None:
        what = f"a link to {path.readlink()}" if path.is_symlink() else "no ordinary file"
        super().__init__(
            errno.ELOOP, f"is {what}; records are kept in files of their own: put the file itself there, or remove it"
        )


def open_file(path: Path, flags: int) -> int:
    """Opens an ordinary file without following a link, and returns its descriptor.

    A link in the place of a record would have somebody else's file written to, or read as ours. Links among the folders
    above it are followed: people keep their sweeps on other disks.

    Raises:
        LinkError: It is a link, a pipe or a device.
        OSError: It cannot be opened.
    """
    try:
        # Without waiting for the other end, if it is a pipe.
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644)
    except OSError as error:
        if path.is_symlink() or error.errno == errno.ENXIO:
            raise LinkError(path) from error
        raise

    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise LinkError(path)
    return descriptor


def not_written(path: Path, error: OSError) -> StorageError:
    """Returns what to tell a user whose disk refused a write."""
    if isinstance(error, LinkError):
        return StorageError(f"{path}: {error.strerror}")
    if isinstance(error, FileNotFoundError):
        return StorageError(f"{path}: its folder was removed meanwhile; the same command makes it anew")

    return StorageError(
        f"{path}: cannot be written ({error.strerror}); "
        "free some space or make the folder writable, then run the same command again"
    )


def find_campaigns(root: Path) -> Iterator[Path]:
    """Yields the folders below `root` that hold a campaign, sorted by path."""
    for file in sorted(root.rglob("campaign.json")):
        yield file.parent


# Building an adapter takes 10 ms, and an analysis reads hundreds of files.
_ADAPTERS: dict[Any, pydantic.TypeAdapter[Any]] = {}


def _read_json(path: Path) -> Any:
    content = _read_bytes(path)
    if content is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))

    try:
        return json.loads(content)
    except ValueError as error:
        raise DamagedRecordError(f"{path}: not JSON ({error})") from error


def _read_bytes(path: Path) -> bytes | None:
    """Reads a whole file that is no link; None if there is none.

    Raises:
        RecordError: It is a link, or no file.
    """
    try:
        descriptor = open_file(path, os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except LinkError as error:
        raise RecordError(f"{path}: {error.strerror}") from error

    with os.fdopen(descriptor, "rb") as file:
        return file.read()


def _adapter(kind: Any) -> pydantic.TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = pydantic.TypeAdapter(kind)
    return _ADAPTERS[kind]


def _validated(kind: type[Record], fields: Any, where: str) -> Record:
    """Makes a row or record of a readable schema version; `where` names its place in messages."""
    version = fields.get("schema_version") if isinstance(fields, dict) else None
    if version not in READABLE_VERSIONS:
        readable = " and ".join(map(str, READABLE_VERSIONS))
        raise RecordError(f"{where}: schema version {version!r}, this greenkd reads {readable}")

    try:
        record: Record = _adapter(kind).validate_python(upgrade(fields))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RecordError(f"{where}: {key}: {first['msg']}") from error

    return record
