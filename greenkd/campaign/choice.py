"""The rule that chooses a trial, from validation alone."""

import math
from collections.abc import Iterable

from greenkd.records import TrialRow, TrialStatus


def choose(rows: Iterable[TrialRow]) -> TrialRow | None:
    """Returns the complete trial with the best validation accuracy at its last epoch; None if none is complete.

    Equal accuracies, common on small validation splits, are settled by the lower validation loss, then by the lower
    trial number.
    """
    complete = [row for row in rows if row.status is TrialStatus.COMPLETE and row.val_accuracy is not None]
    return min(
        complete,
        key=lambda row: (
            -(row.val_accuracy or 0.0),
            math.inf if row.val_loss is None else row.val_loss,
            row.trial,
        ),
        default=None,
    )
