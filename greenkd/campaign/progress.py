"""How far campaigns are: every campaign of a command line with its trials, as they stand on disk."""

import contextlib
import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from greenkd.campaign.settings import Settings
from greenkd.errors import DamagedRecordError
from greenkd.identity import REAL
from greenkd.records import (
    CampaignOutline,
    CampaignStatus,
    EpochRow,
    TrialRow,
    TrialStatus,
    read_campaign,
    read_outline,
    read_rows,
    searching_name,
)

_DONE = "done"


@dataclasses.dataclass(frozen=True)
class CampaignState:
    """One campaign as it stands on disk.

    Attributes:
        labels: Strategy, data set, pair, objective, seed.
        planned: Trials the strategy asks for.
        ended: Trials that have ended, failed ones included.
        turns: Trainings left, if each trial is trained from one rung to the next at a time.
        state: In words: `to do`, `done`, `2 of 19 trials done, trial 2 partial at epoch 5`, ...
        done: What is on record of a campaign that is done.
    """

    labels: tuple[str, ...]
    planned: int
    ended: int
    turns: int
    state: str
    done: CampaignOutline | None = None

    @property
    def is_open(self) -> bool:
        """Whether something is left to do, or was left undone."""
        return self.state != _DONE


def read_state(settings: Settings, folder: Path) -> CampaignState:
    """Looks up how far a campaign is."""
    pair, transfer = f"{settings.teacher.name} → {settings.student.name}", settings.transfer.name
    labels = (
        searching_name(settings.temperature.name, settings.strategy.searched),
        settings.dataset.name if transfer == REAL else f"{settings.dataset.name}+{transfer}",
        pair,
        settings.objective.name,
        f"seed {settings.seed}",
    )

    planned = settings.strategy.planned_trials()

    # Of a campaign that is done all trials have ended: with thousands of them, rows are not read for that.
    outline = _outline(folder)
    if outline is not None and outline.status is CampaignStatus.DONE:
        return CampaignState(labels, planned, planned, 0, _DONE, outline)

    all_rows = read_rows(folder / "trials.jsonl", TrialRow).rows
    rows = {row.trial: row for row in all_rows}
    ended = [row for row in rows.values() if row.status.has_ended]

    paused = {(row.trial, row.epochs) for row in all_rows if row.status is TrialStatus.PAUSED}
    at_the_end = [row for row in ended if (row.trial, row.epochs) not in paused]
    turns = sum(rung.trials for rung in settings.strategy.rungs(settings.training.recipe.epochs))
    turns_left = max(turns - len(paused) - len(at_the_end), 0)
    return CampaignState(labels, planned, len(ended), turns_left, _words(folder, planned, ended))


def _outline(folder: Path) -> CampaignOutline | None:
    """Returns what is on record of a campaign; None if nothing is, or nothing that can be read."""
    with contextlib.suppress(FileNotFoundError, DamagedRecordError):
        return read_outline(folder / "campaign.json")
    return None


def _words(folder: Path, planned: int, ended: Sequence[TrialRow]) -> str:
    """Returns how far a campaign is, in words."""
    record = folder / "campaign.json"
    if not record.exists():
        return "to do"

    # How it stands on record
    try:
        on_record = read_campaign(record)
        status, refused = on_record.status, on_record.message if on_record.refused else None
    except DamagedRecordError:
        status, refused = CampaignStatus.RUNNING, None  # it will be set aside, and made anew from the trials

    # Trials that have ended, that are partial, that are to come
    failed = Counter(row.status for row in ended)[TrialStatus.FAILED]
    words = [f"{len(ended) - failed} of {planned} trials done"]
    if failed:
        words.append(f"{failed} failed (retry=failed runs them again)")
    begun: dict[int, int] = {}
    for row in read_rows(folder / "epochs.jsonl", EpochRow).rows:
        if row.trial is not None:
            begun[row.trial] = row.epoch + 1
    ended_trials = {row.trial for row in ended}
    partial = {trial: epoch for trial, epoch in begun.items() if trial not in ended_trials}
    words += [f"trial {trial} partial at epoch {epoch}" for trial, epoch in partial.items()]
    to_come = planned - len(ended) - len(partial)
    if to_come:
        words.append(f"{to_come} to do")
    elif len(ended) == planned and status is CampaignStatus.RUNNING:
        words.append("test to do")
    if refused is not None:
        words.append(f"refused last time ({refused})")
    return ", ".join(words)
