"""The rule that chooses a trial, from validation alone; campaigns and the analysis both go by it."""

import math
from collections.abc import Iterable

from greenkd.records.enums import TrialStatus
from greenkd.records.trial import TrialRow


def selection_key(val_score: float, val_loss: float | None) -> tuple[float, float]:
    """Returns what complete trials are ordered by: the smallest key is chosen, ties go to the lower trial number.

    Equal scores, common on small validation splits, are settled by the lower validation loss.

    Args:
        val_score: The metric on the validation split at the last epoch; larger is better.
        val_loss: The loss there; one that is missing or NaN comes last among equal scores.
    """
    missing = val_loss is None or math.isnan(val_loss)
    return -val_score, math.inf if missing else val_loss  # type: ignore[return-value]


def choose_trial(rows: Iterable[TrialRow]) -> TrialRow | None:
    """Returns the complete trial with the best validation score at its last epoch; None if none is complete."""
    scored = [
        (selection_key(row.val_score, row.val_loss), row.trial, row)
        for row in rows
        if row.status is TrialStatus.COMPLETE and row.val_score is not None
    ]
    return min(scored, default=(None, None, None))[-1]
