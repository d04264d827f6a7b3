"""The trials frame: one row per attempt, from trials.jsonl, the ledger and the tests on record."""

import math
from typing import Any

import pandas as pd

from analysis.frames import columns
from analysis.frames.groupby import sum_or_missing
from greenkd.records import CampaignRecord, Phase, TestResult, TrialStatus

# What the ledger charges to a single trial: its training, images made within it, and its validation.
TRIAL_PHASES = (Phase.STUDENT_TRAINING.value, Phase.SYNTHESIS.value, Phase.VALIDATION.value)

# The status of an attempt that the ledger knows and trials.jsonl does not.
KILLED = "killed"

_KEYS = ["campaign", "trial", "attempt"]


def tau_of(params: dict[str, Any] | None) -> float:
    """Returns τ where the parameters name one, else NaN."""
    value = (params or {}).get("tau")
    return float(value) if isinstance(value, int | float) else math.nan


def is_as_configured(params: dict[str, Any] | None, searched: dict[str, Any]) -> bool:
    """Tells whether searched settings have the configuration's own values: trainings of others differ in τ alone.

    Args:
        params: A trial's parameters; None where they are not known.
        searched: The settings that its campaign searched besides τ, with their values in the configuration.
    """
    return all((params or {}).get(key) == value for key, value in searched.items())


def trial_costs(ledger: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Returns the costs of training and validating trials, summed over `by`; a sum with a missing part is NaN."""
    of_trials = ledger["trial"].notna() & ledger["phase"].isin(TRIAL_PHASES)
    return sum_or_missing(ledger.loc[of_trials, [*by, *columns.COST_COLUMNS]], by)


def trials_frame(rows: pd.DataFrame, campaign_records: dict[int, CampaignRecord], ledger: pd.DataFrame) -> pd.DataFrame:
    """Returns one row per attempt: what trials.jsonl says, the ledger's costs, and attempts that only the ledger knows.

    Args:
        rows: The rows of every trials.jsonl, with the campaign's number.
        campaign_records: The records of the campaigns, by number; their tests are read.
        ledger: The ledger frame.
    """
    # An attempt that paused at a rung and did not go on has two rows, of which the later one says how it ended.
    rows = rows.drop_duplicates(_KEYS, keep="last")
    status = pd.Series([str(status) for status in rows["status"]], rows.index, dtype="object")
    frame = rows.assign(status=status, tau=[tau_of(params) for params in rows["params"]])

    # The ledger alone says what was spent: the costs that a row of trials.jsonl repeats are not read.
    frame = frame.drop(columns=[name for name in columns.COST_COLUMNS if name in frame])
    frame = frame.merge(trial_costs(ledger, _KEYS).reset_index(), on=_KEYS, how="outer")
    was_killed = frame["status"].isna()
    frame.loc[was_killed, "status"] = KILLED

    tests = _tests(frame, campaign_records)
    for name in columns.TEST_MEASURES:
        measure = name.removeprefix("test_")
        frame[name] = [math.nan if test is None else _number(getattr(test, measure)) for test in tests]
    frame = _with_parameters_of_other_attempts(frame, frame[~was_killed])
    frame["as_configured"] = [
        is_as_configured(params, campaign_records[campaign].searched)
        for campaign, params in zip(frame["campaign"], frame["params"], strict=True)
    ]

    frame = frame.astype({"trial": "int64", "attempt": "int64"}).sort_values(_KEYS, ignore_index=True)
    return frame.reindex(columns=list(columns.TRIALS))


def _tests(frame: pd.DataFrame, campaign_records: dict[int, CampaignRecord]) -> list[TestResult | None]:
    """Returns the test of each attempt. The weights of a trial are those of its complete attempt."""
    tests = {(campaign, test.trial): test for campaign, record in campaign_records.items() for test in record.tests}
    is_complete = frame["status"] == TrialStatus.COMPLETE
    keys = zip(frame["campaign"].tolist(), frame["trial"].tolist(), is_complete.tolist(), strict=True)
    return [tests.get((campaign, trial)) if complete else None for campaign, trial, complete in keys]


def _with_parameters_of_other_attempts(frame: pd.DataFrame, finished: pd.DataFrame) -> pd.DataFrame:
    """Gives killed attempts the τ and the parameters that a finished attempt of the same trial has on record."""
    by_trial = finished.drop_duplicates(["campaign", "trial"])
    keys = _keys_of(frame)

    for name, missing in (("tau", math.nan), ("params", None)):
        values = dict(zip(_keys_of(by_trial), by_trial[name].tolist(), strict=True))
        frame[name] = [values.get(key, missing) for key in keys]
    return frame


def _keys_of(frame: pd.DataFrame) -> list[tuple[int, int]]:
    """Returns campaign and trial of each row."""
    return list(zip(frame["campaign"].tolist(), frame["trial"].tolist(), strict=True))


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)
