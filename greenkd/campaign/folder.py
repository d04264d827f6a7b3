"""A campaign's folder: which campaign it belongs to, what is on record in it, and the locks that processes share."""

import dataclasses
import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from greenkd.campaign.locks import campaign_lock
from greenkd.campaign.settings import Settings
from greenkd.errors import ConfigError, DamagedRecordError, StorageError
from greenkd.identity import identifying
from greenkd.locks import Lock
from greenkd.records import (
    CampaignRecord,
    CampaignStatus,
    CorrectnessRow,
    EpochRow,
    LedgerRow,
    StepsRow,
    TrialRow,
    TrialStatus,
    read_campaign,
    read_rows,
    write_campaign,
    write_text,
)
from greenkd.records.manifest import FILE as MANIFEST_FILE
from greenkd.records.manifest import extend_manifest, remove_manifest, write_manifest
from greenkd.records.timestamps import now
from greenkd.temperature.storage import describe_storage
from greenkd.training.safetensors_io import set_aside

log = logging.getLogger(__name__)

# Of the record, when a campaign that had ended goes on.
_KEPT_WHEN_IT_GOES_ON = (
    "created_at",
    "tau_source",
    "teacher_result",
    "pool",
    "chosen_trial",
    "chosen_params",
    "val_score",
    "test_score",
    "tests",
)


class CampaignFolder:
    """The folder of one campaign.

    Args:
        path: Where; made if missing.
        settings: The campaign's.

    Raises:
        ConfigError: The folder belongs to another configuration.
        StorageError: It cannot be written.
    """

    def __init__(self, path: Path, settings: Settings) -> None:
        self.path = path
        self._settings = settings

        try:
            (path / ".locks").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f"{path}: cannot be written ({error.strerror}); set hydra.sweep.dir=<a folder you can write>"
            ) from error

    def lock(self, name: str) -> Lock:
        """Returns a lock between the processes that work on the campaign.

        Raises:
            StorageError: The file system or database cannot keep it.
        """
        settings = self._settings
        return campaign_lock(self.path, settings.sweep, settings.campaign_id, name, settings.storage)

    def keep_config(self) -> None:
        """Writes `config.yaml`, without the password of a shared database."""
        storage = self._settings.storage
        config = dict(self._settings.config) | {"storage": None if storage is None else describe_storage(storage)}
        text = yaml.safe_dump(config, sort_keys=False, allow_unicode=True)
        with self.lock("record"):
            remove_manifest(self.path)  # the campaign goes on
            write_text(self.path / "config.yaml", text)

    def may_reopen(self, record: CampaignRecord) -> bool:
        """Tells whether a campaign that has ended is to go on: failed trials again, a larger budget, a refusal."""
        retries = self._settings.retry == "failed" and record.status is not CampaignStatus.DONE
        return record.refused or retries or (record.budget_stopped and self._has_another_budget())

    def _has_another_budget(self) -> bool:
        """Tells whether the campaign was last run under another budget than the one given now."""
        try:
            kept = yaml.safe_load((self.path / "config.yaml").read_text(encoding="utf-8"))
        except (FileNotFoundError, yaml.YAMLError, UnicodeDecodeError):
            return True
        return not isinstance(kept, Mapping) or kept.get("budget") != self._settings.config["budget"]

    def record(self) -> CampaignRecord | None:
        """Returns what is on record; None if nothing is, or nothing that can be read.

        Raises:
            ConfigError: The folder belongs to another configuration.
            StorageError: The record is of another schema version.
        """
        file = self.path / "campaign.json"
        record = None
        if file.exists():
            try:
                record = read_campaign(file)
            except DamagedRecordError as error:
                log.warning("%s; set aside as %s and made anew from the trials on record", error, set_aside(file).name)

        if record is not None and record.campaign_id == self._settings.campaign_id:
            return record

        differing = self._differing_keys()
        if differing or record is not None:
            raise ConfigError(
                f"{self.path}: holds a campaign of another configuration ({'; '.join(differing) or 'other version'}); "
                "choose another folder or sweep name"
            )
        return None

    def _differing_keys(self) -> list[str]:
        try:
            kept = yaml.safe_load((self.path / "config.yaml").read_text(encoding="utf-8"))
        except (FileNotFoundError, yaml.YAMLError, UnicodeDecodeError):
            return []

        before = identifying(kept) if isinstance(kept, Mapping) else {}
        after = identifying(self._settings.config)
        return [
            f"{key}: {before.get(key)!r} then, {after.get(key)!r} now"
            for key in sorted(before.keys() | after.keys())
            if before and before.get(key) != after.get(key)
        ]

    def begin(self, fresh: CampaignRecord, *, retry: bool) -> CampaignRecord:
        """Puts a campaign that begins or goes on on record.

        Args:
            fresh: The record of a campaign of which nothing is known yet.
            retry: Open it again though it has ended.

        Returns:
            What is on record now; one that another process has finished meanwhile is left as it is.

        Raises:
            ConfigError: The campaign was begun on other images.
        """
        with self.lock("record"):
            current = self.record()
            if current is None:
                return self._write(fresh)

            begun_afresh = current.refused and not self._has_trained()  # its data may have been mended since
            if not begun_afresh and current.data_fingerprint not in (None, fresh.data_fingerprint):
                raise ConfigError(
                    f"{self.path}: was begun on other images than dataset={fresh.dataset} now holds; "
                    "give sweep=<new name>, or dataset.name=<new name> for another data set"
                )
            if current.status is not CampaignStatus.RUNNING and not (retry or current.refused):
                return current

            # What was chosen and tested stays: a campaign that goes on looks at no test result twice.
            kept = {name: getattr(current, name) for name in _KEPT_WHEN_IT_GOES_ON}
            return self._write(dataclasses.replace(fresh, **kept))

    def update(self, **changes: object) -> CampaignRecord:
        """Changes the record; one that another process has finished is left as it is.

        Returns:
            What is on record now.
        """
        with self.lock("record"):
            current = self.record()
            if current is None:
                raise StorageError(f"{self.path}: campaign.json has vanished; run the same command again")

            # Another process that shares the trials may have been refused: this one has not.
            going_on: dict[str, Any] = {}
            if current.refused:
                going_on = {"status": CampaignStatus.RUNNING, "message": None, "refused": False, "broken_off_by": None}
            elif current.status is not CampaignStatus.RUNNING:
                return current
            return self._write(dataclasses.replace(current, **{**going_on, "updated_at": now(), **changes}))

    def refuse(self, message: str, broken_off_by: str = "refusal") -> None:
        """Puts on record why a campaign that runs cannot go on; the same command takes it up again.

        Args:
            message: What is to be mended.
            broken_off_by: As `CampaignRecord.broken_off_by`.
        """
        with self.lock("record"):
            current = self.record()
            if current is None or not (current.refused or current.status is CampaignStatus.RUNNING):
                return

            is_complete = any(row.status is TrialStatus.COMPLETE for row in self.rows())
            status = CampaignStatus.PARTIAL if is_complete else CampaignStatus.FAILED
            changes: dict[str, Any] = {
                "status": status,
                "message": message,
                "refused": True,
                "broken_off_by": broken_off_by,
            }
            self._write(dataclasses.replace(current, **changes, updated_at=now()))

    def _has_trained(self) -> bool:
        """Tells whether anything in the folder comes from a training of a student."""
        return (self.path / "trials").exists() or bool(self.rows())

    def _write(self, record: CampaignRecord) -> CampaignRecord:
        # Another process may have created it by a clock that was set back since.
        record = dataclasses.replace(record, updated_at=max(record.updated_at, record.created_at))

        # A manifest says that nothing will change any more: it goes before the record does, and comes after it.
        remove_manifest(self.path)
        write_campaign(self.path / "campaign.json", record)
        if _has_ended(record):
            write_manifest(self.path)
        return record

    def tidy(self) -> None:
        """Removes the trials' weights and checkpoints of a campaign that has ended, and sees to its manifest.

        A process may have been killed before it could write one, and earlier versions wrote none.
        """
        with self.lock("record"):
            record = self.record()
            if record is None or not _has_ended(record):
                return
            if not record.budget_stopped:
                shutil.rmtree(self.path / "trials", ignore_errors=True)
            if not (self.path / MANIFEST_FILE).exists():
                write_manifest(self.path)

    def rows(self) -> list[TrialRow]:
        """Returns the last row of every trial on record."""
        return list({row.trial: row for row in self.all_rows()}.values())

    def all_rows(self) -> list[TrialRow]:
        """Returns every row of every trial on record, in the order in which they were written."""
        return read_rows(self.path / "trials.jsonl", TrialRow).rows

    def epoch_rows(self) -> list[EpochRow]:
        """Returns every recorded epoch of every trial, in the order in which they were written."""
        return read_rows(self.path / "epochs.jsonl", EpochRow).rows

    def report_torn(self) -> None:
        """Says which lines were cut off or changed; they stay in their files and are left out."""
        kinds: dict[str, Any] = {"trials": TrialRow, "epochs": EpochRow, "steps": StepsRow, "ledger": LedgerRow}
        kinds["tests"] = CorrectnessRow
        for name, kind in kinds.items():
            file = self.path / f"{name}.jsonl"
            lines = read_rows(file, kind)
            for line in lines.torn:
                log.warning("%s: a line was cut off and is left out: %.60s…", file, line)
            for line in lines.changed:
                log.warning("%s: a line was changed since it was written, and is left out: %.60s…", file, line)

    def next_attempt(self, trial: int) -> int:
        """Returns the number of the next attempt; every start of a trial is one, killed ones included."""
        ledger = read_rows(self.path / "ledger.jsonl", LedgerRow).rows
        attempts = [
            row.attempt for rows in (ledger, self.epoch_rows(), self.all_rows()) for row in rows if row.trial == trial
        ]
        return 1 + max(attempts, default=-1)


def extend_manifest_of(folder: Path, storage: str | None = None) -> None:
    """Takes lines into a finished campaign's manifest that were appended at the end of a command.

    Args:
        folder: The campaign's folder.
        storage: The URL of the database that its machines share, if they share one.

    Raises:
        StorageError: The manifest cannot be written.
    """
    if (folder / MANIFEST_FILE).exists():
        record = read_campaign(folder / "campaign.json")
        with campaign_lock(folder, record.sweep, record.campaign_id, "record", storage):
            extend_manifest(folder)


def _has_ended(record: CampaignRecord) -> bool:
    """Tells whether nothing goes on with a campaign unless it is asked to."""
    return record.status is not CampaignStatus.RUNNING and not record.refused
