"""Holds what was read from a file against the schema: rows and records are made here, of checked fields."""

from typing import Any, TypeVar

import pydantic

from greenkd.errors import RecordError
from greenkd.records.schema import READABLE_VERSIONS, upgrade

Record = TypeVar("Record")

# Building an adapter takes 10 ms, and an analysis reads hundreds of files.
_ADAPTERS: dict[Any, pydantic.TypeAdapter[Any]] = {}


def adapter(kind: Any) -> pydantic.TypeAdapter[Any]:
    """Returns what checks fields against a record class, built once."""
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = pydantic.TypeAdapter(kind)
    return _ADAPTERS[kind]


def validated(kind: type[Record], fields: Any, where: str) -> Record:
    """Makes a row or record of a readable schema version.

    Args:
        kind: Its class.
        fields: What stands in the file; fields that the class does not have are left out.
        where: Its place, for messages.

    Raises:
        RecordError: It is of another schema version, or holds what the class does not allow.
    """
    version = fields.get("schema_version") if isinstance(fields, dict) else None
    if version not in READABLE_VERSIONS:
        readable = " and ".join(map(str, READABLE_VERSIONS))
        raise RecordError(f"{where}: schema version {version!r}, this greenkd reads {readable}")

    try:
        record: Record = adapter(kind).validate_python(upgrade(fields))
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RecordError(f"{where}: {key}: {first['msg']}") from error

    return record
