"""Scores of epochs that our records have and a study has not: reported late, as they would have been in their time.

A pruner judges a trial by what it and others have reported, and some samplers look at how far a pruned trial had come.
"""

from collections.abc import Iterable, Mapping

import optuna
from optuna.trial import FrozenTrial

from greenkd.records import EpochRow, TrialRow, TrialStatus


def recorded_scores(rows: Iterable[EpochRow], trial: int, after: int) -> dict[int, float]:
    """Returns a trial's validation scores by epoch.

    Args:
        rows: Of `epochs.jsonl`, in the order of the file; of an epoch that was trained again the last one counts.
        trial: Our number.
        after: Attempts up to this one do not count: they failed, and the trial began anew.
    """
    return {
        row.epoch: row.val_score
        for row in rows
        if row.trial == trial and row.attempt > after and row.val_score is not None
    }


def report_missing(
    study: optuna.Study, database: optuna.storages.BaseStorage, trial: FrozenTrial, scores: Mapping[int, float]
) -> None:
    """Reports scores to a running trial that it does not have yet, in the order of the epochs.

    Args:
        study: Of the trial.
        database: What the study is kept in.
        trial: Running.
        scores: By epoch.
    """
    for epoch in sorted(scores.keys() - trial.intermediate_values.keys()):
        database.set_trial_intermediate_value(trial._trial_id, epoch, scores[epoch])
        # Hyperband notes the score at each of its rungs when it is asked. What it answers is history.
        study.pruner.prune(study, database.get_trial(trial._trial_id))


def failure_before(row: TrialRow, rows: Iterable[TrialRow]) -> int:
    """Returns the attempt after whose failure a trial began anew, to end as a row says; -1 if there is none.

    Args:
        row: Of the trial.
        rows: All rows on record.
    """
    failed = (each.attempt for each in rows if each.trial == row.trial and each.status is TrialStatus.FAILED)
    return max((attempt for attempt in failed if attempt < row.attempt), default=-1)
