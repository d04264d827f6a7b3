"""Which trials go on at the rungs of a strategy, read off the trials on record alone.

Nothing is kept of a decision: it follows from the scores at the rung, which stay on record. So a campaign that was
killed, and every process that shares one, comes to the same.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Sequence

from greenkd.records import TrialRow, TrialStatus
from greenkd.records.selection import selection_key
from greenkd.temperature import Rung


@dataclasses.dataclass(frozen=True)
class RungState:
    """How far the trials of a campaign may be trained by now.

    Attributes:
        until: Epochs that each trial is to have at the next rung of its own; of trials that wait there, or do not go
            on, nothing.
        stopped: The rows, now pruned, of trials that have paused and do not go on.
        is_last: Whether all rungs but the last are decided, so that no more trials will be free than are now.
    """

    until: dict[int, int]
    stopped: list[TrialRow]
    is_last: bool


def read_rungs(rungs: Sequence[Rung], rows: Iterable[TrialRow]) -> RungState:
    """Decides every rung that all of its trials have ended; a trial that failed has no place in it.

    Args:
        rungs: The strategy's, the first one with all trials.
        rows: All rows of `trials.jsonl`, in the order of the file.
    """
    rows = list(rows)
    last_row = {row.trial: row for row in rows}
    paused = {(row.trial, row.epochs): row for row in rows if row.status is TrialStatus.PAUSED}

    until: dict[int, int] = {}
    stopped: list[TrialRow] = []
    members = list(range(rungs[0].trials))
    for rung, following in itertools.pairwise(rungs):
        there = [trial for trial in members if (trial, rung.epochs) in paused]
        until |= {trial: rung.epochs for trial in members if trial not in there}
        failed = [trial for trial in members if trial not in there and _has_failed(last_row.get(trial))]
        if len(there) + len(failed) < len(members):
            return RungState(until, stopped, is_last=False)

        ranked = sorted(there, key=lambda trial: (_key(paused[trial, rung.epochs]), trial))
        members = ranked[: following.trials]
        for place, trial in enumerate(ranked[following.trials :], start=following.trials + 1):
            if last_row[trial].status is TrialStatus.PAUSED:
                cause = f"place {place} of {len(ranked)} after epoch {rung.epochs}, of which {len(members)} go on"
                stopped.append(dataclasses.replace(last_row[trial], status=TrialStatus.PRUNED, cause=cause))

    until |= dict.fromkeys(members, rungs[-1].epochs)
    return RungState(until, stopped, is_last=True)


def _has_failed(row: TrialRow | None) -> bool:
    return row is not None and row.status is TrialStatus.FAILED


def _key(row: TrialRow) -> tuple[float, float]:
    """Returns what the trials of a rung are ordered by: the same as complete trials, of which one is chosen."""
    assert row.val_score is not None  # a training is validated before it pauses
    return selection_key(row.val_score, row.val_loss)
