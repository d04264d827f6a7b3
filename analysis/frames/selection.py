"""Complete trials in the order of the rule that selects, which is the campaign's own: `greenkd.records.selection`."""

from typing import Any

import pandas as pd

from greenkd.records import TrialStatus
from greenkd.records.selection import selection_key


def best_first(trials: pd.DataFrame) -> pd.DataFrame:
    """Returns the complete trials among attempts, the one that validation selects first.

    Trials that the rule calls equal keep their order; in the trials frame that is by campaign, then by trial number.
    """
    complete = trials[(trials["status"] == TrialStatus.COMPLETE) & trials["val_score"].notna()]

    scores = zip(complete["val_score"].tolist(), complete["val_loss"].tolist(), strict=True)
    keys = [selection_key(val_score, val_loss) for val_score, val_loss in scores]
    return complete.iloc[sorted(range(len(keys)), key=keys.__getitem__)]


def select_trial(trials: pd.DataFrame) -> "pd.Series[Any] | None":
    """Returns the trial that validation selects, or None where no trial is complete."""
    ordered = best_first(trials)
    return None if ordered.empty else ordered.iloc[0]
