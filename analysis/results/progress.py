"""How far a sweep is, while it runs: read from the records alone, again and again, whichever machines write them.

Whether anything still runs is not on record. A campaign counts as running while its files grow: ledgers are written to
at least every `energy.heartbeat_s`, 15 seconds by default. One that was killed looks the same for a minute.
"""

import dataclasses
import math
import time
from collections.abc import Sequence
from pathlib import Path

from analysis.frames.reading import parse_config, read_config_text
from greenkd.errors import RecordError
from greenkd.records import (
    CampaignRecord,
    CampaignStatus,
    EpochRow,
    LedgerRow,
    Source,
    TrialRow,
    TrialStatus,
    choose_trial,
    find_campaigns,
    read_campaign,
    searching_name,
    sum_costs,
)
from greenkd.records.follow import RowFollower

SILENT_S = 60.0
"""After so many seconds without a new line, nobody is taken to work on a campaign."""

_PLAN = "plan.json"  # what a command has announced
_READ = (Source.MEASURED, Source.SIMULATED)  # a simulated sensor stands in for one
_FILES = ("ledger", "epochs", "trials")


@dataclasses.dataclass(frozen=True, kw_only=True)
class CampaignProgress:
    """How far one campaign is.

    Attributes:
        labels: Setting and strategy, which campaigns of other seeds share.
        status: to do, running, stopped, done, partial, failed or refused.
        planned: Trials; None: not on record yet.
        ended: Trials that completed or were pruned.
        failed: Trials that failed.
        running: Trials that are at some epoch; none where nothing runs.
        best: The trial that validation would choose by now.
        energy_kwh: Spent so far, all of the ledger; None: not known.
        cpu_s: CPU seconds so far; None: not known.
        is_measured: Whether a sensor was read.
        trial_s: Seconds of a whole training, as far as they can be told; NaN: not at all.
        left_s: Seconds of training that are left, one trial at a time; NaN: not known.
    """

    labels: tuple[str, str]
    status: str
    planned: int | None = None
    ended: int = 0
    failed: int = 0
    running: int = 0
    best: TrialRow | None = None
    energy_kwh: float | None = 0.0
    cpu_s: float | None = 0.0
    is_measured: bool = False
    trial_s: float = math.nan
    left_s: float = math.nan


class _Campaign:
    """Follows the files of one campaign."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._trials = RowFollower(folder / "trials.jsonl", TrialRow)
        self._epochs = RowFollower(folder / "epochs.jsonl", EpochRow)
        self._ledger = RowFollower(folder / "ledger.jsonl", LedgerRow)
        self._last: dict[int, TrialRow] = {}
        self._epochs_of: dict[int, dict[int, EpochRow]] = {}
        self._ledger_rows: list[LedgerRow] = []
        self._length: int | None = None

    def read(self) -> CampaignProgress | None:
        """Returns how far it is; None where its record cannot be read, as another version's."""
        try:
            record = read_campaign(self._folder / "campaign.json")
            self._last |= {row.trial: row for row in self._trials.new_rows()}
            for row in self._epochs.new_rows():
                if row.trial is not None:
                    self._epochs_of.setdefault(row.trial, {})[row.epoch] = row
            self._ledger_rows += self._ledger.new_rows()
        except FileNotFoundError:
            return CampaignProgress(labels=_labels_of_path(self._folder), status="to do")
        except RecordError:
            return None
        return self._progress(record)

    def _progress(self, record: CampaignRecord) -> CampaignProgress:
        ended = {trial: row for trial, row in self._last.items() if row.status.has_ended}
        failed = sum(row.status is TrialStatus.FAILED for row in ended.values())
        status = self._status(record)
        open_trials = [trial for trial in self._epochs_of if trial not in ended]
        costs = sum_costs(self._ledger_rows)
        trial_s = self._trial_s(list(ended.values()))
        over = status not in ("running", "stopped")

        return CampaignProgress(
            labels=_labels(record),
            status=status,
            planned=record.planned_trials,
            ended=len(ended) - failed,
            failed=failed,
            running=len(open_trials) if status == "running" else 0,
            best=choose_trial(ended.values()),
            energy_kwh=costs.energy_kwh,
            cpu_s=costs.cpu_s,
            is_measured=_has_sensor(self._ledger_rows),
            trial_s=trial_s,
            left_s=0.0 if over else self._left_s(record.planned_trials - len(ended), open_trials, trial_s),
        )

    def _status(self, record: CampaignRecord) -> str:
        if record.refused:
            return "refused"
        if record.status is not CampaignStatus.RUNNING:
            return record.status.value

        files = [file for name in _FILES for file in self._folder.glob(f"{name}*.jsonl")]
        newest = max((file.stat().st_mtime for file in files), default=_began(self._folder))
        return "running" if time.time() - newest < SILENT_S else "stopped"

    def _trial_s(self, ended: Sequence[TrialRow]) -> float:
        """Returns the seconds of a training: of those that have ended, else of the epochs so far."""
        complete = [row.duration_s for row in ended if row.status is TrialStatus.COMPLETE]
        if complete:
            return math.fsum(complete) / len(complete)

        epochs = [row.duration_s for rows in self._epochs_of.values() for row in rows.values()]
        if not epochs:
            return math.nan
        if self._length is None:
            self._length = int((parse_config(read_config_text(self._folder)).get("training") or {}).get("epochs", 0))
        return self._length * math.fsum(epochs) / len(epochs) if self._length else math.nan

    def _left_s(self, trials: int, open_trials: Sequence[int], trial_s: float) -> float:
        begun = math.fsum(row.duration_s for trial in open_trials for row in self._epochs_of[trial].values())
        return max(trials * trial_s - begun, 0.0) if trials else 0.0


class SweepWatcher:
    """Reads how far the campaigns below some folders are, as often as it is asked.

    Args:
        roots: Sweeps' folders.
    """

    def __init__(self, roots: Sequence[Path]) -> None:
        self._roots = roots
        self._campaigns: dict[Path, _Campaign] = {}

    def read(self) -> list[CampaignProgress]:
        """Returns how far each campaign is, those among them that a command has announced and not begun."""
        for root in self._roots:
            announced = [file.parent for file in root.rglob(_PLAN)]  # loggers have folders of the same names
            for folder in sorted({*announced, *find_campaigns(root)}):
                if folder not in self._campaigns:
                    self._campaigns[folder] = _Campaign(folder)
        return [progress for campaign in self._campaigns.values() if (progress := campaign.read()) is not None]


def is_over(campaigns: Sequence[CampaignProgress]) -> bool:
    """Tells whether every campaign has ended, so that nothing will change any more."""
    return bool(campaigns) and all(campaign.status not in ("to do", "running", "stopped") for campaign in campaigns)


def time_left_s(campaigns: Sequence[CampaignProgress]) -> float:
    """Returns the seconds until all trainings are done, if as many run side by side as now; NaN where unknown."""
    known = [campaign.trial_s for campaign in campaigns if not math.isnan(campaign.trial_s)]
    mean = math.fsum(known) / len(known) if known else math.nan
    lefts = [
        (campaign.planned or 1) * mean if math.isnan(campaign.left_s) else campaign.left_s for campaign in campaigns
    ]
    return math.fsum(lefts) / max(sum(campaign.running for campaign in campaigns), 1)


def _has_sensor(rows: Sequence[LedgerRow]) -> bool:
    """Tells whether a sensor was read, in which case energy leads as it does in the verdict."""
    return any(source in _READ for row in rows for source in (row.cpu_source, row.gpu_source))


def _labels(record: CampaignRecord) -> tuple[str, str]:
    setting = f"{record.data_label}, {record.teacher} → {record.student}, {record.objective}"
    return setting, searching_name(record.strategy, record.searched)


def _labels_of_path(folder: Path) -> tuple[str, str]:
    """Returns the labels of a campaign that has not begun: its folder is named by them."""
    dataset, pair, objective, strategy = folder.resolve().parts[-5:-1]
    data, _, transfer = dataset.partition("+")
    label = f"{data}, transfer={transfer}" if transfer else data
    return f"{label}, {pair.replace('-', ' → ', 1)}, {objective}", strategy


def _began(folder: Path) -> float:
    return (folder / "campaign.json").stat().st_mtime
