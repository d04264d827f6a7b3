"""Reading and writing `pool.json`, the record of a pool in the cache."""

import dataclasses
import json
from pathlib import Path

import pydantic

from greenkd.errors import DamagedRecordError, RecordError
from greenkd.records.files import write_json
from greenkd.records.pool import PoolRecord

_ADAPTER = pydantic.TypeAdapter(PoolRecord)


def write_pool(path: Path, record: PoolRecord) -> None:
    """Replaces `pool.json` as a whole."""
    write_json(path, dataclasses.asdict(record))


def read_pool(path: Path) -> PoolRecord:
    """Reads `pool.json`.

    Raises:
        DamagedRecordError: It is no JSON.
        RecordError: It is no record of a pool.
    """
    try:
        return _ADAPTER.validate_python(json.loads(path.read_text(encoding="utf-8")))
    except pydantic.ValidationError as error:
        raise RecordError(f"{path}: {error.errors()[0]['msg']}") from error
    except ValueError as error:
        raise DamagedRecordError(f"{path}: not JSON ({error})") from error
