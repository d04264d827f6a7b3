"""Makes runs of what is on record of a campaign."""

import dataclasses
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml

from greenkd.identity import sweep_folder
from greenkd.loggers.base import Figures, Run
from greenkd.records import (
    CampaignRecord,
    EpochRow,
    LedgerRow,
    Phase,
    TestResult,
    TrialRow,
    TrialStatus,
    read_bytes,
    read_campaign,
    read_rows,
    sum_costs,
)
from greenkd.records.follow import RowFollower
from greenkd.records.trial import ParamValue

_SECRET = re.compile(r"password|passwd|secret|token|api_?key|credential", re.IGNORECASE)
_USER_INFO = re.compile(r"(?<=://)[^/@\s]+@")
_HIDDEN = "(hidden)"
# What a trial's training is charged: tests and inference come after the choice.
_TRAINING = (Phase.STUDENT_TRAINING, Phase.VALIDATION, Phase.SYNTHESIS)
_LABELS = ("dataset", "transfer", "teacher", "student", "objective", "strategy", "sweep", "metric", "selection")


@dataclasses.dataclass(frozen=True)
class _Training:
    """Attempts of a trial that go on from each other, and how the last of them ended."""

    first: int
    last: int | None  # None: it goes on
    row: TrialRow | None


class RunReader:
    """Reads one campaign's folder again and again; of the epochs only what is new.

    Args:
        folder: The campaign's, with its `campaign.json`.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._sweep_folder = sweep_folder(folder)
        self._config = without_secrets(yaml.safe_load(read_bytes(folder / "config.yaml") or b"{}") or {})

        self._follower = RowFollower(folder / "epochs.jsonl", EpochRow)
        self._epochs: dict[int, list[EpochRow]] = {}

    def runs(self) -> list[Run]:
        """Returns every run on record, by trial and attempt.

        Raises:
            RecordError: A record cannot be read.
        """
        self._read_epochs()
        record, rows, ledger = self._record(), self._trial_rows(), self._ledger()
        trials = sorted(self._epochs.keys() | {row.trial for row in rows})
        return [
            self._run(record, trial, training, ledger, {}, is_last=training is trainings[-1])
            for trial in trials
            for trainings in [self._trainings(trial, rows)]
            for training in trainings
        ]

    def last_run(self, trial: int, params: Mapping[str, ParamValue]) -> Run:
        """Returns the run that a trial is at, or that it has ended with.

        Args:
            trial: The trial's number.
            params: Its parameters, which are not on record before it has ended.

        Raises:
            RecordError: A record cannot be read.
        """
        self._read_epochs()
        training = self._trainings(trial, self._trial_rows())[-1]
        ledger = [] if training.row is None else self._ledger()
        return self._run(self._record(), trial, training, ledger, params, is_last=True)

    def _read_epochs(self) -> None:
        for row in self._follower.new_rows():
            if row.trial is not None:
                self._epochs.setdefault(row.trial, []).append(row)

    def _record(self) -> CampaignRecord:
        return read_campaign(self._folder / "campaign.json")

    def _trial_rows(self) -> list[TrialRow]:
        return read_rows(self._folder / "trials.jsonl", TrialRow).rows

    def _ledger(self) -> list[LedgerRow]:
        return read_rows(self._folder / "ledger.jsonl", LedgerRow).rows

    def _trainings(self, trial: int, rows: Iterable[TrialRow]) -> list[_Training]:
        """Divides a trial's attempts into trainings: one that ended for good is followed by another from the start."""
        own = [row for row in rows if row.trial == trial]
        ended = {row.attempt: row for row in own if row.status.has_ended}

        trainings, first = [], 0
        for attempt, row in sorted(ended.items()):
            trainings.append(_Training(first, attempt, row))
            first = attempt + 1
        begun = [row.attempt for row in (*self._epochs.get(trial, ()), *own)]
        if not trainings or max(begun) >= first:
            trainings.append(_Training(first, None, None))
        return trainings

    def _run(
        self,
        record: CampaignRecord,
        trial: int,
        training: _Training,
        ledger: list[LedgerRow],
        params: Mapping[str, ParamValue],
        *,
        is_last: bool,
    ) -> Run:
        name = f"{record.strategy} seed {record.seed} trial {trial}"
        row = training.row
        is_tested = is_last and row is not None and row.status is TrialStatus.COMPLETE
        test = next((test for test in record.tests if test.trial == trial), None) if is_tested else None

        return Run(
            id=_run_id(record, trial, training.first),
            name=f"{name} attempt {training.first}" if training.first else name,
            trial=trial,
            attempt=training.first,
            group=self._folder.resolve().relative_to(self._sweep_folder.resolve()).as_posix(),
            sweep=record.sweep,
            sweep_folder=self._sweep_folder,
            config=self._config,
            params=params if row is None else row.params,
            tags=_tags(record, trial),
            epochs=self._figures(trial, training),
            status="running" if row is None else row.status.value,
            summary=_summary(record, row, test, self._costs(trial, training, ledger)),
        )

    def _figures(self, trial: int, training: _Training) -> dict[int, Figures]:
        rows = {row.epoch: row for row in self._epochs.get(trial, ()) if _belongs(row.attempt, training)}
        return {epoch: _epoch_figures(row) for epoch, row in sorted(rows.items())}

    def _costs(self, trial: int, training: _Training, ledger: list[LedgerRow]) -> dict[str, float]:
        rows = [row for row in ledger if row.trial == trial and row.phase in _TRAINING]
        own = [row for row in rows if _belongs(row.attempt, training)]
        if not own:
            return {}

        costs = dataclasses.asdict(sum_costs(own))
        return {f"cost/{name}": value for name, value in costs.items() if value is not None}


def without_secrets(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns a configuration in which whatever looks like a secret is hidden, by its key or as part of an address."""
    return {str(key): _HIDDEN if _SECRET.search(str(key)) and value else _clean(value) for key, value in config.items()}


def _clean(value: Any) -> Any:
    if isinstance(value, Mapping):
        return without_secrets(value)
    if isinstance(value, list | tuple):
        return [_clean(item) for item in value]
    return _USER_INFO.sub("", value) if isinstance(value, str) else value


def _belongs(attempt: int, training: _Training) -> bool:
    return attempt >= training.first and (training.last is None or attempt <= training.last)


def _run_id(record: CampaignRecord, trial: int, attempt: int) -> str:
    """Returns an identifier; two sweeps may hold the same campaign, in one project of a tracker."""
    sweep = hashlib.sha256(record.sweep.encode()).hexdigest()[:4]
    return f"{record.campaign_id}-{sweep}-trial{trial}-attempt{attempt}"


def _tags(record: CampaignRecord, trial: int) -> dict[str, str]:
    environment = record.environment
    tags = {name: str(getattr(record, name)) for name in _LABELS}
    tags |= {"campaign": record.campaign_id, "seed": str(record.seed), "trial": str(trial), "meter": environment.meter}
    tags |= {"tau_class": record.tau_class, "device": environment.device, "git_commit": environment.git_commit or ""}
    return {name: value for name, value in tags.items() if value}


def _epoch_figures(row: EpochRow) -> dict[str, float]:
    figures = {
        "train/loss": row.train_loss,
        "train/score": row.train_score,
        "validation/loss": row.val_loss,
        "validation/score": row.val_score,
        "tau/mean": row.tau_mean,
        "tau/sd": row.tau_sd,
        "lr": row.lr,
        "epoch/duration_s": row.duration_s,
    }
    return {name: value for name, value in figures.items() if value is not None}


def _summary(
    record: CampaignRecord, row: TrialRow | None, test: TestResult | None, costs: Mapping[str, float]
) -> dict[str, float | str | bool]:
    if row is None:
        return {}

    summary: dict[str, float | str | bool | None] = {"status": row.status.value, "cause": row.cause, **costs}
    summary |= {"final/epochs": row.epochs, "final/val_score": row.val_score, "final/val_loss": row.val_loss}
    if test is not None:
        summary |= {"test/score": test.score, "test/loss": test.loss, "test/calibration_error": test.calibration_error}
        summary["chosen"] = record.chosen_trial == row.trial
    return {name: value for name, value in summary.items() if value is not None}
