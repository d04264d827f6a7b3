"""Reads files of lines at once: the usual ones, complete, as written, of today's schema.

One call for all lines of a file is cheaper than a call for each of them, and more so where only some fields are wanted.
It answers for nothing else: a file of which anything has to be said is read line by line, where that is said.
"""

import dataclasses
import enum
import functools
import typing
from collections.abc import Callable
from typing import Any, Literal

import pydantic
from pydantic_core import SchemaValidator, core_schema

from greenkd.records.checksum import CheckResult, verify
from greenkd.records.schema import SCHEMA_VERSION


def whole_rows(content: bytes, kind: Any) -> list[Any] | None:
    """Returns the rows of a file; None where any of its lines needs a closer look.

    Args:
        content: What stands in the file.
        kind: What its lines are.
    """
    rows = _rows(content, _row_reader(kind))
    return rows if rows is None or all(row.schema_version == SCHEMA_VERSION for row in rows) else None


def whole_fields(content: bytes, kind: Any, names: frozenset[str]) -> list[dict[str, Any]] | None:
    """Returns some fields of the rows of a file as dictionaries; None where any of its lines needs a closer look.

    Args:
        content: What stands in the file.
        kind: What its lines are.
        names: The fields that are wanted; of those with defaults, rows have what stands on their lines.
    """
    return _rows(content, _field_reader(kind, names))


def _rows(content: bytes, read: Callable[[bytes], list[Any]]) -> list[Any] | None:
    lines = content.split(b"\n")
    if lines.pop() or not all(verify(line) is CheckResult.AS_WRITTEN for line in lines):
        return None

    try:
        rows = read(b"[%b]" % b",".join(lines))
    except pydantic.ValidationError:
        return None
    return rows if len(rows) == len(lines) else None  # each line holds one


@functools.cache
def _row_reader(kind: Any) -> Callable[[bytes], list[Any]]:
    return pydantic.TypeAdapter(list[kind]).validate_json


@functools.cache
def _field_reader(kind: Any, names: frozenset[str]) -> Callable[[bytes], list[Any]]:
    hints = typing.get_type_hints(kind) | {"schema_version": Literal[SCHEMA_VERSION]}
    fields = {
        field.name: core_schema.typed_dict_field(
            pydantic.TypeAdapter(_in_json(hints[field.name])).core_schema,
            required=field.default is dataclasses.MISSING or field.name == "schema_version",
        )
        for field in dataclasses.fields(kind)
        if field.name in {*names, "schema_version"}
    }
    rows = core_schema.list_schema(core_schema.typed_dict_schema(fields, extra_behavior="ignore"))
    return SchemaValidator(rows, core_schema.CoreConfig(strict=True)).validate_json


def _in_json(hint: Any) -> Any:
    """Returns the annotation of a value as dictionaries have it: a word is a text, one of those that are known."""
    is_word = isinstance(hint, type) and issubclass(hint, enum.Enum)
    return Literal[tuple(word.value for word in hint)] if is_word else hint
