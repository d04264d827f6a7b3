"""Reading and writing files of lines: lines are only ever appended, each in one write, each with its checksum.

A path names the rows of all processes; `row_files` says which files they lie in.
"""

import dataclasses
import errno
import os
from pathlib import Path
from typing import Any, Generic, TypeVar

from greenkd.records.checksum import KEY, CheckResult, verify, with_check
from greenkd.records.files import not_written, read_bytes
from greenkd.records.json_text import json_bytes, parse_json
from greenkd.records.ledger import LedgerRow, without_replaced
from greenkd.records.merging import merge_rows
from greenkd.records.row_files import open_own, row_files
from greenkd.records.sweep import BlockRow, ProcessRow
from greenkd.records.trial import CorrectnessRow, EpochRow, StepsRow, TrialRow
from greenkd.records.validation import validated
from greenkd.records.whole_files import whole_rows

AnyRow = LedgerRow | EpochRow | StepsRow | TrialRow | CorrectnessRow | BlockRow | ProcessRow
Row = TypeVar("Row", LedgerRow, EpochRow, StepsRow, TrialRow, CorrectnessRow, BlockRow, ProcessRow)


@dataclasses.dataclass(frozen=True)
class Lines(Generic[Row]):
    """Rows, and the lines that could not be read.

    Attributes:
        rows: The rows, in the order of the file; of several files, as `merge_rows` orders them.
        torn: Lines that are no JSON, as they are when a write is cut off.
        changed: Lines that are not what was written: their checksum says so.
    """

    rows: list[Row]
    torn: list[str]
    changed: list[str] = dataclasses.field(default_factory=list)


def append_row(path: Path, row: AnyRow) -> None:
    """Appends one line in one write to the file of this process.

    Where the file ends in a line that was cut off, the new line begins below it: one torn line never costs two.

    Args:
        path: The plain path of the rows.
        row: The row.

    Raises:
        StorageError: The line is not on disk.
    """
    line = with_check(json_bytes(dataclasses.asdict(row))) + b"\n"

    try:
        descriptor = open_own(path)
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
    """Reads the rows that count, of all processes; missing files have none. As for `read_written_rows`."""
    lines = read_written_rows(path, kind)
    return dataclasses.replace(lines, rows=without_replaced(lines.rows)) if kind is LedgerRow else lines


def read_written_rows(path: Path, kind: type[Row]) -> Lines[Row]:
    """Reads the rows that all processes have written, in a ledger those too that later ones stand in place of.

    Args:
        path: The plain path of the rows.
        kind: What they are.

    Raises:
        RecordError: A whole line is of an unknown schema version, or not a row of this kind.
    """
    files = [parse_rows(read_bytes(file) or b"", kind, file) for file in row_files(path)]
    return Lines(
        rows=merge_rows([file.rows for file in files], kind),
        torn=[line for file in files for line in file.torn],
        changed=[line for file in files for line in file.changed],
    )


def parse_rows(content: bytes, kind: type[Row], path: Path) -> Lines[Row]:
    """Reads lines of a `.jsonl` file.

    Args:
        content: Some of its lines.
        kind: What they are.
        path: The file, for messages.

    Raises:
        RecordError: As for `read_rows`.
    """
    whole = whole_rows(content, kind)
    if whole is not None:
        return Lines(whole, [])

    objects, torn, changed = parse_lines(content)
    rows = [validated(kind, fields, f"{path}:{number}") for number, fields in objects]
    return Lines(rows, torn, [text for _, text in changed])


def parse_lines(content: bytes) -> tuple[list[tuple[int, Any]], list[str], list[tuple[int, str]]]:
    """Takes lines apart, without holding them against a schema.

    Args:
        content: Some lines of a `.jsonl` file.

    Returns:
        What stands on the whole lines, with the lines' numbers; the torn lines; and those that are not what was
        written, with their numbers.
    """
    objects: list[tuple[int, Any]] = []
    torn: list[str] = []
    changed: list[tuple[int, str]] = []

    for number, line in enumerate(content.split(b"\n"), start=1):
        if not line.strip():
            continue
        result = verify(line)
        if result is CheckResult.CHANGED:
            changed.append((number, line.decode(errors="replace")))
            continue

        try:
            fields = parse_json(line)
        except ValueError:
            torn.append(line.decode(errors="replace"))
            continue

        # A checksum that does not stand where we put it: another program has written the line anew.
        if result is CheckResult.WITHOUT and isinstance(fields, dict) and KEY in fields:
            changed.append((number, line.decode(errors="replace")))
        else:
            objects.append((number, fields))
    return objects, torn, changed
