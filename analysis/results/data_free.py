"""Choosing τ without data: do the validation split and agreement on synthetic images choose the same trial?

A campaign whose students see no real images records, after its choice, what every trial gets on both. So both choices
can be made from one campaign's trials, whichever of them it went by.
"""

import statistics
from collections.abc import Iterable
from typing import Any

import pandas as pd

from analysis.frames import columns
from analysis.frames.groupby import groups
from analysis.frames.load import Sweep
from greenkd.records import CampaignRecord, TestResult
from greenkd.records.selection import selection_key

SELECTIONS = ("validation", "agreement")


def choices(sweep: Sweep) -> pd.DataFrame:
    """Returns one row per setting and strategy that had several trials to choose from.

    Columns: the setting's, `metric`, `strategy`, `searches` (campaigns), `same` (those in which both choose the same
    trial), the mean test score of what each chooses, `test_by_validation` and `test_by_agreement`, and `campaigns`
    (their numbers).
    """
    rows: list[dict[str, Any]] = []
    for key, setting in groups(sweep.campaigns, columns.SETTING):
        for (strategy,), group in groups(setting, ["strategy"]):
            chosen = {
                campaign: both
                for campaign in group["campaign"].tolist()
                if (both := _both_choices(sweep.records[campaign])) is not None
            }
            if not chosen:
                continue

            rows.append(
                {
                    **dict(zip(columns.SETTING, key, strict=True)),
                    "metric": str(group["metric"].iloc[0]),
                    "strategy": strategy,
                    "searches": len(chosen),
                    "same": sum(first.trial == second.trial for first, second in chosen.values()),
                    "test_by_validation": statistics.fmean(first.score for first, _ in chosen.values()),
                    "test_by_agreement": statistics.fmean(second.score for _, second in chosen.values()),
                    "campaigns": tuple(chosen),
                }
            )
    return pd.DataFrame(rows)


def _both_choices(record: CampaignRecord) -> tuple[TestResult, TestResult] | None:
    """Returns the tests of the trials that validation and agreement choose; None where there is nothing to choose."""
    known = [test for test in record.tests if test.selections and test.selections.keys() >= set(SELECTIONS)]
    if len(known) < 2:
        return None
    first, second = (_chosen(known, selection) for selection in SELECTIONS)
    return first, second


def _chosen(tests: Iterable[TestResult], selection: str) -> TestResult:
    """Returns the test of the trial that one selection chooses, by the rule that campaigns go by."""

    def key(test: TestResult) -> tuple[float, float, int]:
        assert test.selections is not None
        selected = test.selections[selection]
        return *selection_key(selected.score, selected.loss), test.trial

    return min(tests, key=key)
