"""What a command line will run: every campaign with its trials, and how far each is already."""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from greenkd.campaign.settings import Settings
from greenkd.errors import DamagedRecordError
from greenkd.records import CampaignStatus, EpochRow, TrialRow, TrialStatus, read_campaign, read_rows


@dataclasses.dataclass(frozen=True)
class CampaignState:
    """One campaign as it stands on disk.

    Attributes:
        labels: Strategy, data set, pair, objective, seed.
        planned: Trials the strategy asks for.
        over: Trials that have ended, failed ones included.
        state: In words: `to do`, `done`, `2 of 19 trials done, trial 2 partial at epoch 5`, ...
    """

    labels: tuple[str, ...]
    planned: int
    over: int
    state: str


def read_state(settings: Settings, folder: Path) -> CampaignState:
    """Looks up how far a campaign is."""
    pair = f"{settings.teacher.name} → {settings.student.name}"
    labels = (
        settings.temperature.name,
        settings.dataset.name,
        pair,
        settings.objective.name,
        f"seed {settings.seed}",
    )
    planned = settings.strategy.planned_trials()
    rows = {row.trial: row for row in read_rows(folder / "trials.jsonl", TrialRow).rows}
    over = [row for row in rows.values() if row.status is not TrialStatus.INTERRUPTED]
    return CampaignState(labels, planned, len(over), _words(folder, planned, over))


def _words(folder: Path, planned: int, over: Sequence[TrialRow]) -> str:
    record = folder / "campaign.json"
    if not record.exists():
        return "to do"
    try:
        status = read_campaign(record).status
    except DamagedRecordError:
        status = CampaignStatus.RUNNING  # it will be set aside, and made anew from the trials
    failed = Counter(row.status for row in over)[TrialStatus.FAILED]
    if status is CampaignStatus.DONE:
        return "done"
    words = [f"{len(over) - failed} of {planned} trials done"]
    if failed:
        words.append(f"{failed} failed (retry=failed runs them again)")
    begun: dict[int, int] = {}
    for row in read_rows(folder / "epochs.jsonl", EpochRow).rows:
        if row.trial is not None:
            begun[row.trial] = row.epoch + 1
    ended = {row.trial for row in over}
    words += [f"trial {trial} partial at epoch {epoch}" for trial, epoch in begun.items() if trial not in ended]
    todo = planned - len(over) - (len(words) - 1 - bool(failed))
    if todo:
        words.append(f"{todo} to do")
    elif len(over) == planned and status is CampaignStatus.RUNNING:
        words.append("test to do")
    return ", ".join(words)


def describe(states: Sequence[CampaignState]) -> str:
    """Returns a line on the whole and an aligned line per campaign."""
    if not states:
        return "campaigns are proposed one by one by the chosen sweeper"
    trials = sum(state.planned for state in states)
    over = sum(state.over for state in states)
    head = f"{_count(len(states), 'campaign')}, {_count(trials, 'trial')}{f', {over} of them done' if over else ''}"
    widths = [max(len(state.labels[column]) for state in states) for column in range(len(states[0].labels))]
    lines = [head]
    for state in states:
        labels = "  ".join(label.ljust(width) for label, width in zip(state.labels, widths, strict=True))
        lines.append(f"  {labels}  {_count(state.planned, 'trial'):>9}  {state.state}")
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
