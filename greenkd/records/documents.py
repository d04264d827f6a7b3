"""Reading and writing JSON documents, which are replaced as a whole and end in a checksum."""

import contextlib
import dataclasses
import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydantic

from greenkd.errors import DamagedRecordError, RecordError
from greenkd.records.campaign import CampaignOutline, CampaignRecord, TeacherRecord
from greenkd.records.checksum import CheckResult, verify, with_check
from greenkd.records.files import read_bytes, write_bytes
from greenkd.records.json_text import json_bytes, parse_json
from greenkd.records.schema import READABLE_VERSIONS, SCHEMA_VERSION
from greenkd.records.sweep import EstimateRecord
from greenkd.records.validation import adapter, validated


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Replaces a document as a whole; see `write_bytes`."""
    write_bytes(path, with_check(json_bytes(content, indent=2) + b"\n"))


def read_json(path: Path) -> Any:
    """Reads a document; its checksum is left in it.

    Raises:
        FileNotFoundError: There is none.
        DamagedRecordError: It is no JSON, or not what was written.
        RecordError: It is a link, or no file.
    """
    return _parsed(path, _verified(path))


def _verified(path: Path) -> bytes:
    """Returns a document's text."""
    content = read_bytes(path)
    if content is None:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
    if verify(content) is CheckResult.CHANGED:
        raise DamagedRecordError(f"{path}: was changed since it was written: its checksum does not fit")
    return content


def _parsed(path: Path, content: bytes) -> Any:
    try:
        return parse_json(content)
    except ValueError as error:
        raise DamagedRecordError(f"{path}: not JSON ({error})") from error


def write_campaign(path: Path, record: CampaignRecord) -> None:
    """Replaces `campaign.json` as a whole."""
    write_json(path, dataclasses.asdict(record))


def read_campaign(path: Path) -> CampaignRecord:
    """Reads `campaign.json`.

    Raises:
        DamagedRecordError: It is no JSON, or not what was written.
        RecordError: It is no campaign record of a known schema version.
    """
    return validated(CampaignRecord, read_json(path), str(path))


def read_outline(path: Path) -> CampaignOutline:
    """Reads some fields of `campaign.json`, for the readers of thousands; the others are held against no schema.

    Raises:
        DamagedRecordError: It is no JSON, or not what was written.
        RecordError: It is no campaign record of a known schema version.
    """
    content = _verified(path)

    # Without making what nobody asks for
    with contextlib.suppress(pydantic.ValidationError):
        outline: CampaignOutline = adapter(CampaignOutline).validate_json(content)
        if outline.schema_version in READABLE_VERSIONS:
            return outline
    return validated(CampaignOutline, _parsed(path, content), str(path))  # says what is wrong


def write_teacher(path: Path, record: TeacherRecord) -> None:
    """Replaces `teacher.json` as a whole."""
    write_json(path, dataclasses.asdict(record) | {"schema_version": SCHEMA_VERSION})


def read_teacher(path: Path) -> TeacherRecord:
    """Reads `teacher.json`.

    Raises:
        DamagedRecordError: It is no JSON, or not what was written.
        RecordError: It is no teacher record of a known schema version.
    """
    fields = read_json(path)

    # Version 1 of the schema wrote no version into this file.
    if isinstance(fields, dict):
        fields.setdefault("schema_version", 1)
    return validated(TeacherRecord, fields, str(path))


def write_estimate(path: Path, record: EstimateRecord) -> None:
    """Replaces `estimate.json` as a whole."""
    write_json(path, dataclasses.asdict(record))


def read_estimate(path: Path) -> EstimateRecord | None:
    """Reads `estimate.json`; None if there is none.

    Raises:
        RecordError: It is no estimate of a known schema version, or was damaged.
    """
    try:
        fields = read_json(path)
    except FileNotFoundError:
        return None
    except DamagedRecordError as error:
        raise RecordError(f"{error}; delete it, or run the estimate again") from error

    return validated(EstimateRecord, fields, str(path))


def find_campaigns(root: Path) -> Iterator[Path]:
    """Yields the folders below `root` that hold a campaign, sorted by path."""
    for file in sorted(root.rglob("campaign.json")):
        yield file.parent
