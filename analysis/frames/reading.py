"""Reads the files of many campaigns: campaign.json as records, the files of lines as frames."""

import dataclasses
import functools
import itertools
import re
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from analysis.frames.lines import column_of, note_newer, read_lines
from analysis.frames.problem import Problem, add_problems
from analysis.frames.side_by_side import mapped
from greenkd import records
from greenkd.records import CampaignRecord, CampaignStatus, StrategyKind
from greenkd.records.manifest import difference, read_manifest
from greenkd.records.schema import is_newer
from greenkd.records.validation import validated

_NUMBERS = (int, float, int | None, float | None)


def read_records(
    roots: tuple[Path, ...], problems: list[Problem], *, processes: int = 1
) -> tuple[dict[int, CampaignRecord], dict[int, Path]]:
    """Reads the campaign.json of every campaign below the roots.

    A campaign whose record cannot be read, or is not what was written, is left out, and one that lies in two folders
    is read once; both are added to `problems`.

    Args:
        roots: The folders.
        problems: Receives what is to be known about the records.
        processes: How many processes may read.

    Returns:
        The records and their folders, by the campaign's number in this load.
    """
    campaign_records: dict[int, CampaignRecord] = {}
    folders: dict[int, Path] = {}
    first_folder: dict[str, Path] = {}  # by campaign_id

    found = [folder for root in roots for folder in records.find_campaigns(root)]
    read = itertools.chain.from_iterable(mapped(_read_some, found, campaigns=len(found), processes=processes))
    for folder, (record, notes) in zip(found, read, strict=True):
        add_problems(problems, notes)
        if record is None:
            continue

        first = first_folder.setdefault(record.campaign_id, folder)
        if first != folder:
            if first.resolve() != folder.resolve():
                problems.append(Problem(str(folder), f"left out: the same campaign as {first}"))
            continue

        number = len(campaign_records)
        campaign_records[number], folders[number] = record, folder

    return campaign_records, folders


def _read_some(folders: Sequence[Path]) -> list[tuple[CampaignRecord | None, list[Problem]]]:
    """Returns the record of each folder, None where it is left out, and what is to be known about it."""
    read: list[tuple[CampaignRecord | None, list[Problem]]] = []
    for folder in folders:
        problems: list[Problem] = []
        try:
            read.append((_read_record(folder, problems), problems))
        except (records.RecordError, OSError) as error:
            problems.append(Problem(str(folder), f"left out: {error}"))
            read.append((None, problems))
    return read


def _read_record(folder: Path, problems: list[Problem]) -> CampaignRecord:
    """Reads one campaign.json, of a newer version as far as it is understood, which is added to `problems`.

    Raises:
        RecordError: It is not what was written, or no campaign record; or the configuration beside it is another one.
    """
    path = folder / "campaign.json"
    fields = records.read_json(path)
    try:
        manifest = read_manifest(folder)
    except records.RecordError as error:
        problems.append(Problem(str(folder), f"whether its files are as they were is not known: {error}"))
        manifest = None

    # Which campaign it is stands in these two.
    for name in ("campaign.json", "config.yaml"):
        changed = manifest and difference(manifest.files, name, records.read_bytes(folder / name))
        if changed:
            raise records.RecordError(f"{name} {changed}; put a copy back that is whole, or run its command anew")

    version: Any = fields.get("schema_version") if isinstance(fields, dict) else None
    if is_newer(version):
        note_newer(folder, version, problems)
        fields = {**fields, **_known_words(fields, folder, problems), "schema_version": records.SCHEMA_VERSION}
    return validated(CampaignRecord, fields, str(path))


def _known_words(fields: dict[str, Any], folder: Path, problems: list[Problem]) -> dict[str, str]:
    """Returns what stands for the words of a newer campaign.json that this version does not know."""
    stand_ins = {"status": (CampaignStatus, CampaignStatus.PARTIAL), "kind": (StrategyKind, StrategyKind.CUSTOM)}
    words = {}
    for name, (known, stand_in) in stand_ins.items():
        if fields.get(name) not in set(known):
            words[name] = stand_in.value
            note = f"{name} {fields.get(name)!r} is not known to this greenkd, and counts as {stand_in.value!r}"
            problems.append(Problem(str(folder), note))
    return words


def read_config_text(folder: Path) -> bytes:
    """Reads the configuration of a campaign as it stands; empty where it is missing."""
    try:
        return (folder / "config.yaml").read_bytes()
    except OSError:
        return b""


def text_of_group(config: bytes, group: str) -> bytes:
    """Returns the part of a configuration in which a group stands; all of it where that part cannot be read alone.

    The configurations of a sweep differ in few lines, so that most of its parts are equal and are parsed once.
    """
    # An indented block up to the next key, without names for what stands elsewhere
    block = rb"^%b:[ ]*\n(?:[ ]+.*\n)*(?=[A-Za-z_]|\Z)" % re.escape(group.encode())
    found = re.findall(block, config, re.MULTILINE)
    return found[0] if len(found) == 1 and not re.search(rb"[&*]", found[0]) else config


def parse_config(text: bytes) -> dict[str, Any]:
    """Returns what stands in a configuration; what is damaged is empty."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        config = yaml.load(text, Loader=loader)
    except yaml.YAMLError:
        return {}
    return config if isinstance(config, dict) else {}


def caches_of(folder: Path) -> list[Path]:
    """Returns where a campaign's cache may lie: its `cache_dir`, also seen from the folders above its own."""
    name = parse_config(read_config_text(folder)).get("cache_dir")
    if not isinstance(name, str):
        return []

    cache = Path(name)
    above = [Path.cwd(), *folder.resolve().parents]
    places = [cache] if cache.is_absolute() else [place / cache for place in above]
    return [place for place in places if place.is_dir()]


def read_frame(
    folders: dict[int, Path],
    name: str,
    row_type: type[Any],
    problems: list[Problem],
    names: Collection[str] | None = None,
    *,
    processes: int = 1,
) -> pd.DataFrame:
    """Reads one file of lines in every campaign's folder.

    Args:
        folders: The campaigns' folders, by number.
        name: The file's name, such as `trials.jsonl`.
        row_type: The record class of its lines; the frame has its fields as columns, and `campaign` before them.
        problems: Receives damaged files and lines.
        names: The columns that are wanted; None: all.
        processes: How many processes may read.
    """
    fields = [
        field
        for field in dataclasses.fields(row_type)
        if field.name != "schema_version" and (names is None or field.name in names)
    ]
    read = functools.partial(_read_columns, name=name, row_type=row_type, wanted=[field.name for field in fields])
    parts: dict[str, list[Any]] = {field.name: [] for field in fields}
    lengths: list[int] = []
    for part in mapped(read, list(folders.values()), campaigns=len(folders), processes=processes):
        lengths += part.lengths
        add_problems(problems, part.problems)
        for field in fields:
            values = part.values[field.name]
            if field.type in _NUMBERS:
                parts[field.name].append(values)
            else:
                parts[field.name].extend(values)

    series = {
        field.name: np.concatenate([np.empty(0), *parts[field.name]])
        if field.type in _NUMBERS
        else pd.Series(parts[field.name], dtype="object")
        for field in fields
    }
    frame = pd.DataFrame(series)
    frame.insert(0, "campaign", np.repeat(np.array(list(folders), dtype=np.int64), lengths))
    return frame


@dataclasses.dataclass(frozen=True)
class _Columns:
    """The rows of some campaigns: how many each has, their values column by column, and what is to be known of them."""

    lengths: list[int]
    values: dict[str, Any]
    problems: list[Problem]


def _read_columns(folders: Sequence[Path], *, name: str, row_type: type[Any], wanted: Sequence[str]) -> _Columns:
    """Reads one file of lines in some folders, of which the wanted columns stay."""
    fields = [field for field in dataclasses.fields(row_type) if field.name in wanted]
    parts: dict[str, list[Any]] = {field.name: [] for field in fields}
    read = _Columns([], {}, [])

    # Numbers as arrays, file by file: as objects, those of millions of lines would fill the memory.
    for folder in folders:
        rows = read_lines(folder / name, row_type, read.problems)
        read.lengths.append(len(rows))
        for field in fields:
            # Rows of an older greenkd lack the fields that came later, all of which have defaults.
            values = column_of(rows, field.name)
            if len(values) < len(rows):
                values = [row.get(field.name, field.default) for row in rows]
            if field.type in _NUMBERS:
                parts[field.name].append(np.array(values, dtype=np.float64))
            else:
                parts[field.name].extend(values)

    for field in fields:
        of_field = parts[field.name]
        read.values[field.name] = np.concatenate([np.empty(0), *of_field]) if field.type in _NUMBERS else of_field
    return read
