"""Reads the files of many campaigns: campaign.json as records, the files of lines as frames."""

import dataclasses
from pathlib import Path
from typing import Any

import pandas as pd
import pydantic_core

from greenkd import records
from greenkd.records import CampaignRecord

_NUMBERS = (int, float, int | None, float | None)


@dataclasses.dataclass(frozen=True)
class Problem:
    """Something that a reader of the tables has to know about one file or campaign."""

    where: str
    what: str


def read_records(roots: tuple[Path, ...], problems: list[Problem]) -> tuple[dict[int, CampaignRecord], dict[int, Path]]:
    """Reads the campaign.json of every campaign below the roots.

    A campaign of another schema version is left out, and one that lies in two folders is read once; both are added to
    `problems`.

    Returns:
        The records and their folders, by the campaign's number in this load.
    """
    campaign_records: dict[int, CampaignRecord] = {}
    folders: dict[int, Path] = {}
    first_folder: dict[str, Path] = {}  # by campaign_id

    for root in roots:
        for folder in records.find_campaigns(root):
            try:
                record = records.read_campaign(folder / "campaign.json")
            except records.RecordError as error:
                problems.append(Problem(str(folder), f"left out: {error}"))
                continue

            first = first_folder.setdefault(record.campaign_id, folder)
            if first != folder:
                if first.resolve() != folder.resolve():
                    problems.append(Problem(str(folder), f"left out: the same campaign as {first}"))
                continue

            number = len(campaign_records)
            campaign_records[number], folders[number] = record, folder

    return campaign_records, folders


def read_frame(folders: dict[int, Path], name: str, row_type: type[Any], problems: list[Problem]) -> pd.DataFrame:
    """Reads one file of lines in every campaign's folder.

    Args:
        folders: The campaigns' folders, by number.
        name: The file's name, such as `trials.jsonl`.
        row_type: The record class of its lines; the frame has its fields as columns, and `campaign` before them.
        problems: Receives damaged files and lines.
    """
    fields = [field for field in dataclasses.fields(row_type) if field.name != "schema_version"]
    values: dict[str, list[Any]] = {field.name: [] for field in fields}
    campaigns: list[int] = []

    for campaign, folder in folders.items():
        rows = read_lines(folder / name, row_type, problems)
        campaigns.extend([campaign] * len(rows))
        for field in fields:
            # Rows of an older greenkd lack the fields that came later, all of which have defaults.
            values[field.name].extend([row.get(field.name, field.default) for row in rows])

    series = {
        field.name: pd.Series(values[field.name], dtype="float64" if field.type in _NUMBERS else "object")
        for field in fields
    }
    frame = pd.DataFrame(series)
    frame.insert(0, "campaign", pd.Series(campaigns, dtype="int64"))
    return frame


def read_lines(path: Path, row_type: type[Any], problems: list[Problem]) -> list[dict[str, Any]]:
    """Reads one file of lines as dictionaries; an absent file has no lines.

    All lines are parsed at once, which is fast. Whatever is unusual about them is left to `records.read_rows`, which
    names the line and the fault.
    """
    if not path.exists():
        return []

    lines = [line for line in path.read_bytes().split(b"\n") if line.strip()]
    try:
        rows = pydantic_core.from_json(b"[" + b",".join(lines) + b"]")
    except ValueError:
        rows = None
    if rows is not None and _are_complete(rows, row_type):
        return rows  # type: ignore[no-any-return]

    try:
        read = records.read_rows(path, row_type)
    except records.RecordError as error:
        problems.append(Problem(str(path), f"file left out: {error}"))
        return []
    if read.torn:
        problems.append(Problem(str(path), f"{len(read.torn)} torn line(s) skipped, a write that was cut off"))
    return [vars(row) for row in read.rows]


def _are_complete(rows: list[Any], row_type: type[Any]) -> bool:
    """Returns whether all rows are of this schema version and have every field without a default."""
    needed = {field.name for field in dataclasses.fields(row_type) if field.default is dataclasses.MISSING}
    return all(
        type(row) is dict and row.get("schema_version") == records.SCHEMA_VERSION and row.keys() >= needed
        for row in rows
    )
