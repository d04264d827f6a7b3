"""Reads files of lines as dictionaries: what was changed is left out, what a newer version wrote is named."""

import dataclasses
import enum
import functools
import operator
import types
import typing
from collections.abc import Collection
from pathlib import Path
from typing import Any, cast

from analysis.frames.problem import Problem
from greenkd import records
from greenkd.records import SCHEMA_VERSION, LedgerRow, RecordError
from greenkd.records.checksum import KEY
from greenkd.records.ledger import without_replaced
from greenkd.records.lines import parse_lines
from greenkd.records.manifest import Manifest, difference, read_manifest
from greenkd.records.merging import merge_rows
from greenkd.records.row_files import is_row_file, row_files
from greenkd.records.schema import READABLE_VERSIONS, is_newer, upgrade
from greenkd.records.whole_files import whole_fields

_CURE = "put a copy of the file back that is whole"
_HINTS: dict[Any, dict[str, Any]] = {}

Row = dict[str, Any]


# What rows of several files are merged by, and those are told by that others stand in place of.
_FOR_MERGING = frozenset({"trial", "attempt", "status", "started_at", "warnings", "shared_among", "host", "pid"})


def read_lines(
    path: Path, row_type: type[Any], problems: list[Problem], names: Collection[str] | None = None
) -> list[Row]:
    """Reads rows of one name as dictionaries with fields of their record class; absent files have none.

    Processes append to files of their own, which are merged. Where one of them is not what was written, all are left
    out: sums that lack some of the lines would be too small. Torn lines are skipped. Of lines that a newer version
    wrote, the fields count that this one knows. All of it is added to `problems`.

    Args:
        path: The plain path of the rows.
        row_type: The record class of its lines.
        problems: Receives what is to be known about the file.
        names: The fields that are wanted, of which rows may have more; None: all.
    """
    wanted = frozenset(_names_of(row_type)) if names is None else _FOR_MERGING.union(names)
    files = []
    try:
        manifest = _manifest_beside(path)
        for file in _row_files(path, manifest):
            files.append(_read_file(file, row_type, wanted, manifest, problems))
    except RecordError as error:
        problems.append(Problem(str(file), f"file left out: {error}"))
        return []

    rows = merge_rows(files, row_type, dict[str, Any].__getitem__)
    return without_replaced(rows, dict[str, Any].get) if row_type is LedgerRow else rows


def _read_file(
    path: Path, row_type: type[Any], wanted: frozenset[str], manifest: Manifest | None, problems: list[Problem]
) -> list[Row]:
    """Reads the rows of one file; see `read_lines`.

    Raises:
        RecordError: It is not what was written, or holds no such rows.
    """
    # The usual file, of which there is nothing to be said
    content = _as_written(path, manifest)
    usual = whole_fields(content, row_type, wanted)
    if usual is not None:
        return usual

    objects, torn = _whole_lines(content)
    names = _names_of(row_type)
    rows = [_known_fields(fields, names, path, number) for number, fields in objects]
    _check_types(rows, row_type, path)
    rows = [{name: tuple(value) if isinstance(value, list) else value for name, value in row.items()} for row in rows]

    if torn:
        problems.append(Problem(str(path), f"{torn} torn line(s) skipped, a write that was cut off"))
    note_newer(path.parent, max((fields["schema_version"] for _, fields in objects), default=0), problems)
    _note_unknown_words(rows, row_type, path, problems)
    return rows


def _manifest_beside(path: Path) -> Manifest | None:
    try:
        return read_manifest(path.parent)
    except RecordError:  # a damaged one, which is named where its campaign is read
        return None


def _row_files(path: Path, manifest: Manifest | None) -> list[Path]:
    """Returns the files that hold rows of a plain name, those that a manifest knows and that are gone among them."""
    files = row_files(path)
    known = (
        [] if manifest is None else [path.with_name(name) for name in manifest.files if is_row_file(name, path.name)]
    )
    return [*files, *sorted(set(known) - set(files))]


def note_newer(folder: Path, version: int, problems: list[Problem]) -> None:
    """Names a folder, once, in which a newer version of greenkd has written.

    Args:
        folder: The folder.
        version: Of the schema, of something that lies in it.
        problems: Receives the note.
    """
    problem = Problem(
        str(folder),
        f"written by a newer greenkd (schema version {version}): read as far as this one, of version {SCHEMA_VERSION}, "
        "understands it",
    )
    if version > SCHEMA_VERSION and problem not in problems:
        problems.append(problem)


def _as_written(path: Path, manifest: Manifest | None) -> bytes:
    """Returns what stands in a file; nothing where there is none.

    Raises:
        RecordError: It is a link, or not what was written.
    """
    content = records.read_bytes(path)
    problem = None if manifest is None else difference(manifest.files, path.name, content)
    if problem is not None:
        raise RecordError(f"it {problem}; {_CURE}")
    return content or b""


def _whole_lines(content: bytes) -> tuple[list[tuple[int, Any]], int]:
    """Returns what stands on the lines of a file, with their numbers, and how many lines are torn.

    Raises:
        RecordError: A line is not what was written.
    """
    objects, torn, changed = parse_lines(content)
    if changed:
        more = f", and {len(changed) - 1} more," if len(changed) > 1 else ""
        raise RecordError(
            f"line {changed[0][0]}{more} was changed since it was written: its checksum does not fit; {_CURE}"
        )
    return objects, len(torn)


def _names_of(row_type: type[Any]) -> dict[str, bool]:
    """Returns the names of a record class's fields, and whether a line needs them."""
    return {field.name: field.default is dataclasses.MISSING for field in dataclasses.fields(row_type)}


def _hints_of(row_type: type[Any]) -> dict[str, Any]:
    """Returns the annotations of a record class; to work them out takes longer than to read a file."""
    if row_type not in _HINTS:
        _HINTS[row_type] = typing.get_type_hints(row_type)
    return _HINTS[row_type]


def _known_fields(fields: Any, names: dict[str, bool], path: Path, number: int) -> dict[str, Any]:
    """Returns those fields of a line that its record class has, under their names of today.

    Args:
        fields: What stands on the line.
        names: The names of the record class, and whether the field is needed.
        path: The file, for messages.
        number: The line's, likewise.

    Raises:
        RecordError: It is no row of a version that can be read.
    """
    version = fields.get("schema_version") if isinstance(fields, dict) else None
    if version not in READABLE_VERSIONS and not is_newer(version):
        readable = " and ".join(map(str, READABLE_VERSIONS))
        raise RecordError(f"{path}:{number}: schema version {version!r}, this greenkd reads {readable}")

    # The usual row costs nothing more.
    fields.pop(KEY, None)
    if version == SCHEMA_VERSION and fields.keys() == names.keys():
        return cast("dict[str, Any]", fields)

    known = {name: value for name, value in upgrade(fields).items() if name in names}
    lacking = [name for name, is_needed in names.items() if is_needed and name not in known]
    if lacking:
        raise RecordError(f"{path}:{number}: lacks {', '.join(lacking)}")
    return known


def column_of(rows: list[Row], name: str) -> list[Any]:
    """Returns one field of all rows that have it; those of an older greenkd may lack it."""
    try:
        return list(map(operator.itemgetter(name), rows))
    except KeyError:
        return [row[name] for row in rows if name in row]


def _check_types(rows: list[Row], row_type: type[Any], path: Path) -> None:
    """Refuses rows whose values are not of the JSON types that their record class has, column by column.

    Raises:
        RecordError: A value is of another type.
    """
    for name, hint in _hints_of(row_type).items():
        allowed = _json_types(hint)
        values = column_of(rows, name)
        if not allowed.issuperset(map(type, values)):
            wrong = next(value for value in values if type(value) not in allowed)
            raise RecordError(
                f"{path}: {name}: {wrong!r:.60} is none of {', '.join(sorted(t.__name__ for t in allowed))}"
            )


@functools.cache
def _json_types(hint: Any) -> frozenset[type]:
    """Returns the types that JSON gives to the values of an annotation."""
    origin = typing.get_origin(hint)
    if origin in (types.UnionType, typing.Union):
        return frozenset().union(*map(_json_types, typing.get_args(hint)))
    if origin is tuple:
        return frozenset({list})
    if origin is dict or dataclasses.is_dataclass(hint):
        return frozenset({dict})
    if hint in (int, float):
        return frozenset({int, float})
    return frozenset({str if issubclass(hint, enum.Enum) else hint})


def _note_unknown_words(rows: list[Row], row_type: type[Any], path: Path, problems: list[Problem]) -> None:
    """Names values that this version has no word for: a phase, a status, the source of a number."""
    for name, hint in _hints_of(row_type).items():
        if not (isinstance(hint, type) and issubclass(hint, enum.Enum)):
            continue

        values = column_of(rows, name)
        for value in sorted(set(values) - set(hint)):
            count = values.count(value)
            note = f"{name} {value!r} is not known to this greenkd: {count} line(s) count in no total of a {name}"
            problems.append(Problem(str(path), note))
