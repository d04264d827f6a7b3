"""Reads the documents of many campaigns: campaign.json as records, parts of config.yaml."""

import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from analysis.frames.lines import note_newer
from analysis.frames.problem import Problem, add_problems
from analysis.frames.side_by_side import mapped
from greenkd import records
from greenkd.records import CampaignRecord, CampaignStatus, StrategyKind
from greenkd.records.manifest import difference, read_manifest
from greenkd.records.schema import is_newer
from greenkd.records.validation import validated


def read_records(
    found: Sequence[Path], problems: list[Problem], *, processes: int = 1
) -> tuple[dict[int, CampaignRecord], dict[int, Path]]:
    """Reads the campaign.json of some folders.

    A campaign whose record cannot be read, or is not what was written, is left out, and one that lies in two folders
    is read once; both are added to `problems`.

    Args:
        found: The folders.
        problems: Receives what is to be known about the records.
        processes: How many processes may read.

    Returns:
        The records and their folders, by the campaign's number in this load.
    """
    campaign_records: dict[int, CampaignRecord] = {}
    folders: dict[int, Path] = {}
    first_folder: dict[str, Path] = {}  # by campaign_id

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
