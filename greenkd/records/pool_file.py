"""Reading and writing `pool.json`, the record of a pool in the cache."""

import dataclasses
from pathlib import Path

import pydantic

from greenkd.errors import RecordError
from greenkd.records.documents import read_json, write_json
from greenkd.records.pool import PoolRecord

_ADAPTER = pydantic.TypeAdapter(PoolRecord)


def write_pool(path: Path, record: PoolRecord) -> None:
    """Replaces `pool.json` as a whole."""
    write_json(path, dataclasses.asdict(record))


def read_pool(path: Path) -> PoolRecord:
    """Reads `pool.json`.

    Raises:
        DamagedRecordError: It is no JSON, or not what was written.
        RecordError: It is no record of a pool.
    """
    try:
        return _ADAPTER.validate_python(read_json(path))
    except pydantic.ValidationError as error:
        raise RecordError(f"{path}: {error.errors()[0]['msg']}") from error
