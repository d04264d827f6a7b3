"""One attempt at one trial: what it leaves on disk while it trains, and the row that says how it ended."""

import dataclasses
import errno
import logging
from collections.abc import Callable
from pathlib import Path

import torch

from greenkd.energy import EnergyMonitor
from greenkd.errors import ConfigError, StorageError, TrainingInterruptedError
from greenkd.records import EpochRow, StepsRow, TrialRow, TrialStatus, append_row, not_written
from greenkd.records.timestamps import now
from greenkd.temperature import Params, Proposal
from greenkd.training.checkpoint import Checkpointer
from greenkd.training.trainer import Ending
from greenkd.training.training import TrainingResult

log = logging.getLogger(__name__)

DISK_FAULTS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO)

# Reports an epoch's validation score; True if a pruner wants the training stopped.
Judge = Callable[[EpochRow], bool]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Attempt:
    """One try at a trial.

    Attributes:
        proposal: The trial.
        number: Which try, from 0.
        judge: Asked after each epoch.
        until: Epochs that the trial has when the attempt ends; less than a whole training: it pauses there.
        started_at: When it began, ISO 8601, UTC.
    """

    proposal: Proposal
    number: int
    judge: Judge
    until: int
    started_at: str = dataclasses.field(default_factory=now)

    @property
    def trial(self) -> int:
        """The trial's number."""
        return self.proposal.trial

    def epoch_finished(self, folder: Path, row: EpochRow, steps: StepsRow | None) -> bool:
        """Keeps an epoch's records; True if the training is to be stopped."""
        append_row(folder / "epochs.jsonl", row)
        if steps is not None:
            append_row(folder / "steps.jsonl", steps)
        return self.judge(row)

    def conclude(self, folder: Path, monitor: EnergyMonitor, ending: Ending) -> TrialRow:
        """Writes the row that says how the attempt ended.

        Args:
            folder: The campaign's.
            monitor: Has recorded what the attempt cost.
            ending: The training's result, or what it died of.

        Raises:
            ConfigError: It died of a setting that does not fit, as every other trial would.
            StorageError: It died of a full or read-only disk, or its row cannot be written.
        """
        # What is no fault of this trial's ends the campaign.
        if isinstance(ending, ConfigError | StorageError):
            raise ending
        if isinstance(ending, OSError) and ending.errno in DISK_FAULTS:
            raise not_written(Path(ending.filename or folder), ending) from ending

        result = ending if isinstance(ending, TrainingResult) else None
        cause = _cause(ending) if isinstance(ending, Exception) else None
        if isinstance(ending, Exception):
            log.debug("trial %d: %s", self.trial, cause, exc_info=ending)

        monitor.flush()
        costs = monitor.costs(trial=self.trial, attempt=self.number)
        row = TrialRow(
            trial=self.trial,
            attempt=self.number,
            status=_status(ending),
            params=self.proposal.params,
            epochs=result.epochs if result else 0,
            val_score=result.val_score if result else None,
            val_loss=result.val_loss if result else None,
            train_loss=result.train_loss if result else None,
            duration_s=costs.duration_s,
            cpu_s=costs.cpu_s,
            energy_kwh=costs.energy_kwh,
            co2eq_g=costs.co2eq_g,
            flops=costs.flops,
            started_at=self.started_at,
            cause=cause,
        )
        append_row(folder / "trials.jsonl", row)
        return row


def trial_checkpointer(folder: Path, trial: int, params: Params, every_s: float) -> Checkpointer:
    """Returns what keeps a trial's checkpoints, which every attempt at it goes on from.

    Args:
        folder: The campaign's.
        trial: Its number.
        params: Its parameters.
        every_s: Seconds between two.
    """
    return Checkpointer(folder / "trials" / str(trial) / "checkpoint.safetensors", every_s, params)


def _status(ending: Ending) -> TrialStatus:
    if isinstance(ending, TrainingResult):
        if ending.paused:
            return TrialStatus.PAUSED
        return TrialStatus.PRUNED if ending.stopped_early else TrialStatus.COMPLETE
    return TrialStatus.INTERRUPTED if isinstance(ending, TrainingInterruptedError) else TrialStatus.FAILED


def _cause(error: Exception) -> str:
    """Returns why a trial failed, in a line."""
    if isinstance(error, torch.OutOfMemoryError):
        return "out of memory; lower training.batch_size, or training.parallel_trials where trials share a device"
    first = (str(error).splitlines() or [""])[0]
    return first if type(error).__module__.startswith("greenkd") else f"{type(error).__name__}: {first}"
