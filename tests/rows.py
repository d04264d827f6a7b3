"""Rows of records as tests need them: whole, with what a test is about in its own words."""

from typing import Any

from greenkd.records import TrialRow, TrialStatus


def trial_row(trial: int, **changes: Any) -> TrialRow:
    """Returns the row of a complete trial of one epoch, with the given fields in place of its own."""
    fields: dict[str, Any] = {
        "attempt": 0,
        "status": TrialStatus.COMPLETE,
        "params": {},
        "epochs": 1,
        "val_score": 0.5,
        "val_loss": 1.0,
        "train_loss": 1.0,
        "duration_s": 1.0,
        "cpu_s": 1.0,
        "energy_kwh": None,
        "co2eq_g": None,
        "flops": None,
        "started_at": "2026-01-01T00:00:00+00:00",
    }
    return TrialRow(trial=trial, **{**fields, **changes})
