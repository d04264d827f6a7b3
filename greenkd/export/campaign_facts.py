"""From the folder of a finished campaign to what is known about its student; whatever is no such folder is refused."""

from pathlib import Path
from typing import Any

import yaml

from greenkd.errors import ConfigError, DamagedRecordError, StorageError
from greenkd.export.costs import student_costs
from greenkd.export.earlier_records import describe_data
from greenkd.export.facts import Candidate, StudentFacts, TeacherFacts
from greenkd.records import (
    CampaignRecord,
    CampaignStatus,
    LedgerRow,
    TrialRow,
    find_campaigns,
    read_bytes,
    read_campaign,
    read_rows,
)
from greenkd.records.manifest import differences, read_manifest

WEIGHTS = "student.safetensors"
_ARGUMENTS_FOR_FRESH_WEIGHTS = ("pretrained_backbone", "backbone_weights")  # what a network begins with is replaced
_SHOWN = 4
_AS_RECORDED = (
    *("campaign_id", "sweep", "dataset", "student", "objective", "strategy", "tau_class", "seed", "metric"),
    *("val_score", "selection", "transfer", "tau_source", "planned_trials", "message", "created_at"),
)

# What else of ours a user may name, by the file that tells it.
_OTHER_FOLDERS = {
    "pool.json": "a pool of synthetic images, which students learn from",
    "teacher.json": "a cached teacher; what is used is a student",
}


def read_facts(folder: Path) -> StudentFacts:
    """Reads what is on record about a campaign's student.

    Args:
        folder: The campaign's.

    Raises:
        ConfigError: It is no campaign's folder, or that campaign has no student yet.
        StorageError: A file of it is missing, or was changed since the campaign finished.
    """
    if not (folder / "campaign.json").is_file():
        raise ConfigError(_no_campaign(folder))
    record = read_campaign(folder / "campaign.json")
    test = next((test for test in record.tests if test.trial == record.chosen_trial), None)
    if record.status is CampaignStatus.RUNNING or record.refused or test is None or record.test_score is None:
        raise ConfigError(_no_student(folder, record))

    # Nothing that was changed since is used: a changed configuration would build another network.
    manifest = read_manifest(folder)
    changed = {} if manifest is None else differences(folder, manifest)
    for name, problem in changed.items():
        raise StorageError(f"{folder / name}: {problem}; copy the campaign's folder anew from where it is whole")
    if not (folder / WEIGHTS).is_file():
        raise StorageError(f"{folder / WEIGHTS}: is missing, so there is no student; {_again(record)}")

    config = _read_config(folder / "config.yaml")
    data, numbered = (record.data, False) if record.data is not None else describe_data(config, record, folder)
    rows = {row.trial: row for row in read_rows(folder / "trials.jsonl", TrialRow).rows}
    network = record.student_network
    return StudentFacts(
        **{name: getattr(record, name) for name in _AS_RECORDED},
        network=_network(config["student"]),
        parameters=None if network is None else network.parameters,
        forward_flops_per_image=None if network is None else network.forward_flops_per_image,
        data=data,
        numbered_classes=numbered,
        test=test,
        params=record.chosen_params or {},
        candidates=tuple(_candidate(row) for _, row in sorted(rows.items())),
        teacher=_teacher(record),
        costs=student_costs(record, read_rows(folder / "ledger.jsonl", LedgerRow).rows),
        smoke=bool(config.get("smoke")),
        greenkd=record.environment.packages.get("greenkd", "unknown"),
    )


def _no_campaign(folder: Path) -> str:
    """Returns why a folder is refused, with what to give instead."""
    if not folder.is_dir():
        return f"{folder}: {'is a file' if folder.exists() else 'is not there'}; give a campaign's folder"

    for name, what in _OTHER_FOLDERS.items():
        if (folder / name).is_file():
            return f"{folder}: is {what}; give a campaign's folder, multirun/<sweep>/…/seed<k>-<id>"

    below = [str(path) for path in find_campaigns(folder)]
    if not below:
        return f"{folder}: holds no campaign; give the folder with its campaign.json, multirun/<sweep>/…/seed<k>-<id>"
    more = f"\n  … ({len(below)} in all)" if len(below) > _SHOWN else ""
    listed = "\n  ".join(below[:_SHOWN])
    return f"{folder}: is no campaign's folder, but campaigns are below it; give one of\n  {listed}{more}"


def _no_student(folder: Path, record: CampaignRecord) -> str:
    if record.status is CampaignStatus.FAILED and not record.refused:
        return f"{folder}: the campaign failed ({record.message}), so it has no student; {_again(record)}"
    reason = f" ({record.message})" if record.message else ""
    return f"{folder}: the campaign has not finished{reason}, so no student is chosen; {_again(record)}"


def _again(record: CampaignRecord) -> str:
    return f"run its command again: {record.environment.command}"


def _read_config(path: Path) -> dict[str, Any]:
    content = read_bytes(path)
    if content is None:
        raise StorageError(f"{path}: is missing, and with it what the network is; copy the campaign's folder anew")
    try:
        config = yaml.safe_load(content.decode())
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise DamagedRecordError(f"{path}: no YAML; copy the campaign's folder anew") from error
    if not isinstance(config, dict) or not isinstance(config.get("student"), dict):
        raise DamagedRecordError(f"{path}: holds no group student; copy the campaign's folder anew")
    return config


def _network(group: dict[str, Any]) -> dict[str, Any]:
    """Returns what builds the network, without weights to begin with and without paths of the machine it was on."""
    left_out = ("name", "weights", *_ARGUMENTS_FOR_FRESH_WEIGHTS)
    return {key: value for key, value in group.items() if key not in left_out}


def _candidate(row: TrialRow) -> Candidate:
    return Candidate(
        trial=row.trial, status=row.status.value, params=row.params, val_score=row.val_score, val_loss=row.val_loss
    )


def _teacher(record: CampaignRecord) -> TeacherFacts | None:
    teacher = record.teacher_result
    if teacher is None:
        return None
    return TeacherFacts(name=teacher.network.name, parameters=teacher.network.parameters, test_score=teacher.test_score)
