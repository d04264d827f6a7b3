"""Budgets: what one campaign, or all campaigns of a sweep together, may spend before it is stopped."""

import math
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Literal

import pydantic
from pydantic import ConfigDict, Field

from greenkd.components import read
from greenkd.energy import EnergyMonitor
from greenkd.errors import BudgetSpentError, ConfigError, RecordError
from greenkd.identity import sweep_folder
from greenkd.records import LedgerRow, Phase, TrialRow, TrialStatus, read_campaign, read_rows
from greenkd.records.timestamps import to_seconds

Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)] | None

# Seconds between two looks at what was spent: each writes the ledger and reads it back.
LOOK_EVERY_S = 5.0

_SHARED_PHASES = (Phase.TEACHER_TRAINING, Phase.TEACHER_LOGITS)
_STUDENT_PHASES = (Phase.STUDENT_TRAINING, Phase.VALIDATION)
_LEDGER_FIELDS = {
    "kwh": ("energy_kwh", 1.0),
    "co2_g": ("co2eq_g", 1.0),
    "hours": ("duration_s", 3600.0),
    "gflops": ("flops", 1e9),
}


@pydantic.dataclasses.dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class BudgetOptions:
    """The group of root keys `budget`; null is no limit.

    Attributes:
        kwh: Energy at the device.
        co2_g: Grams of CO2 equivalents, at the intensity and PUE of the group `energy`.
        hours: Metered hours; those of processes that run side by side are added up.
        gflops: 1e9 FLOPs, forward and backward.
        scope: Whether the limits hold for each campaign or for the sweep.
    """

    kwh: Limit = None
    co2_g: Limit = None
    hours: Limit = None
    gflops: Limit = None
    scope: Literal["campaign", "sweep"] = "campaign"

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set."""
        named = {name: getattr(self, name) for name in _LEDGER_FIELDS}
        return {name: value for name, value in named.items() if value is not None}


def read_budget(config: object) -> BudgetOptions:
    """Reads `budget`.

    Raises:
        ConfigError: A key is unknown, or a value is refused.
    """
    return read(BudgetOptions, config, "budget")


class Budget:
    """Watches what a campaign spends, and stops its trainings between two epochs, with a checkpoint.

    Spent is what the campaign has really paid, whichever process and attempt: its own ledger, and its rows in the
    ledgers of teachers and logits. What comes after the last trial (tests, inference) is not held back.

    Args:
        options: The limits.
        folder: The campaign's folder; with scope `sweep`, the folders beside it count too.
        cache: Where the ledgers of teachers and logits lie.
        monitor: Records what this process spends on the campaign.

    Attributes:
        stopped: True when trials remain that the limits do not allow.

    Raises:
        ConfigError: A limit is set on what the meter does not measure.
    """

    def __init__(self, options: BudgetOptions, folder: Path, cache: Path, monitor: EnergyMonitor) -> None:
        unmetered = [name for name in ("kwh", "co2_g") if name in options.limits]
        if monitor.meter.method == "none" and unmetered:
            raise ConfigError(
                f"budget.{unmetered[0]}: energy=none measures none; choose a meter, or budget.gflops or .hours"
            )

        self._limits = options.limits
        self._whole_sweep = options.scope == "sweep"
        self._folder = folder
        self._cache = cache
        self._monitor = monitor
        self._looked_at = time.monotonic()
        self.stopped = False

        # Of the trials that run: what was spent before them, their epochs so far, how many run in lockstep.
        self._spent_before: dict[str, float] | None = None
        self._epochs = 0
        self._together = 1
        self._stop_before_next_epoch = False

    def is_spent(self) -> bool:
        """Tells whether a limit is reached."""
        return bool(self._limits) and self._crosses(self._spent(), {})

    def begin_trials(self, trials: Iterable[TrialRow], together: int) -> int:
        """Says how many trials fit into what remains, if each costs what finished ones did on average.

        Args:
            trials: The last row of every trial on record.
            together: How many are to begin, in lockstep.

        Returns:
            How many of them may begin, at least one.

        Raises:
            BudgetSpentError: A single one would cross a limit.
        """
        self.stopped = self._stop_before_next_epoch = False  # what was asked of a training that ended by itself
        if not self._limits:
            return together

        # What a trial costs, by those that have ended
        spent = self._spent()
        ended = {row.trial for row in trials if row.status in (TrialStatus.COMPLETE, TrialStatus.PRUNED)}
        rows = [row for row in _ledger(self._folder) if row.trial in ended and row.phase in _STUDENT_PHASES]
        per_trial = {name: amount / max(len(ended), 1) for name, amount in _amounts(rows).items()}

        while self._crosses(spent, {name: together * amount for name, amount in per_trial.items()}):
            together -= 1
            if together == 0:
                self.stopped = True
                raise BudgetSpentError("stopped by budget")
        self._spent_before, self._epochs, self._together = spent, 0, together
        return together

    def lift(self) -> None:
        """Holds nothing back any more: what is still to be trained has to be, before the campaign can end."""
        self._limits = {}
        self._stop_before_next_epoch = False

    def epoch_finished(self, epochs_to_come: int) -> None:
        """Looks, now and then, whether the next epoch would cross a limit.

        Args:
            epochs_to_come: Epochs of this training that are to come.
        """
        if not self._limits or not epochs_to_come:
            return
        self._epochs += 1
        if time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return

        spent = self._spent()
        if self._spent_before is None:  # a teacher's training: nothing was known before it
            self._spent_before = dict.fromkeys(spent, 0.0)
        rounds = math.ceil(self._epochs / self._together)  # the first of several in lockstep speaks for all
        per_epoch = {name: (amount - self._spent_before[name]) / rounds for name, amount in spent.items()}
        if self._crosses(spent, per_epoch):
            self.stopped = self._stop_before_next_epoch = True

    def before_epoch(self) -> None:
        """Stops a training whose next epoch would cross a limit; called before every epoch.

        Raises:
            BudgetSpentError: It would.
        """
        if self._stop_before_next_epoch:
            self._stop_before_next_epoch = False
            raise BudgetSpentError("stopped by budget")

    def _crosses(self, spent: Mapping[str, float], more: Mapping[str, float]) -> bool:
        return any(
            spent[name] >= limit or spent[name] + more.get(name, 0.0) > limit for name, limit in self._limits.items()
        )

    def _spent(self) -> dict[str, float]:
        """Adds up what the campaign, or its sweep, has paid so far."""
        self._monitor.flush()
        folders = [self._folder]
        if self._whole_sweep:
            beside = (path.parent for path in sweep_folder(self._folder).glob("*/*/*/*/*/ledger.jsonl"))
            folders += [folder for folder in beside if folder.resolve() != self._folder.resolve()]
        rows = [row for folder in folders for row in _ledger(folder)]

        # What they paid for teachers and logits since they began
        began = dict(filter(None, map(_began, folders)))
        for folder in self._cache.glob("*/*"):
            shared = (row for row in _ledger(folder) if row.phase in _SHARED_PHASES)
            rows += [row for row in shared if row.campaign_id in began and row.started_at >= began[row.campaign_id]]

        self._looked_at = time.monotonic()
        return _amounts(rows)


def _ledger(folder: Path) -> list[LedgerRow]:
    return read_rows(folder / "ledger.jsonl", LedgerRow).rows


def _began(folder: Path) -> tuple[str, str] | None:
    """Returns a campaign's id and when it began: what was paid under the same id before was another sweep's."""
    try:
        record = read_campaign(folder / "campaign.json")
    except (RecordError, FileNotFoundError):
        return None
    return record.campaign_id, to_seconds(record.created_at)


def _amounts(rows: Sequence[LedgerRow]) -> dict[str, float]:
    """Adds up in the units of the limits what is known; an unknown part cannot be held against a limit."""
    return {
        name: math.fsum(value for row in rows if (value := getattr(row, field)) is not None) / unit
        for name, (field, unit) in _LEDGER_FIELDS.items()
    }


def stopped_message(ended: int, planned: int) -> str:
    """Returns what tables say of a campaign that its budget stopped.

    Args:
        ended: Trials that have ended.
        planned: Trials that the strategy asks for.
    """
    return f"stopped by budget after {ended} of {planned}"
