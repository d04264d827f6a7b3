"""What using the networks costs: teacher against students.

Costs come from `campaign.json`, where inference was metered in a window of its own; else from the ledger's `inference`
rows (those of a trial are the student's, those of no trial the teacher's); else, for the student, from its `test` rows:
the same forward passes, with the scoring included.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis import units
from analysis.frames import columns
from analysis.frames.groupby import groups, rows_of, sum_or_missing
from analysis.frames.load import Sweep
from greenkd.records import InferenceRecord, Phase

IMAGES = 1000
_COSTS = ("duration_s", "cpu_s", "energy_kwh", "co2eq_g")


def inference(sweep: Sweep) -> pd.DataFrame:
    """Returns one row per setting and network (the teacher, each strategy's student).

    Columns: the setting's, `metric`, `network`, `role`, `strategy`, `parameters`, `forward_flops_per_image`,
    `test_score` (mean), `source` (inference, test or none), `peak_memory_bytes`, and per 1000 images
    `duration_s`, `cpu_s`, `energy_kwh`, `co2eq_g`.
    """
    rows: list[dict[str, Any]] = []
    for key, setting in groups(sweep.campaigns, columns.SETTING):
        first = rows_of(setting)[0]
        names = dict(zip(columns.SETTING, key, strict=True)) | {"metric": first["metric"]}

        if not math.isnan(first["teacher_parameters"]):
            rows.append(
                names
                | {"network": names["teacher"], "role": "teacher", "strategy": units.MISSING}
                | {"parameters": first["teacher_parameters"], "test_score": first["teacher_test_score"]}
                | {"forward_flops_per_image": first["teacher_forward_flops_per_image"]}
                | _costs_per_images(sweep, setting, "teacher")
            )

        for (strategy,), group in groups(setting, ["strategy"]):
            rows.append(
                names
                | {"network": names["student"], "role": "student", "strategy": strategy}
                | {"parameters": group["student_parameters"].mean(), "test_score": group["test_score"].mean()}
                | {"forward_flops_per_image": group["student_forward_flops_per_image"].mean()}
                | _costs_per_images(sweep, group, "student")
            )
    return pd.DataFrame(rows)


def _costs_per_images(sweep: Sweep, campaigns: pd.DataFrame, role: str) -> dict[str, Any]:
    numbers = list(campaigns["campaign"])
    records = [sweep.records[number] for number in numbers]
    on_record = [record.teacher_inference if role == "teacher" else record.student_inference for record in records]
    metered = [inference for inference in on_record if inference is not None]
    return _from_records(metered) if metered else _from_ledger(sweep, numbers, role)


def _from_records(metered: list[InferenceRecord]) -> dict[str, Any]:
    row: dict[str, Any] = {"source": "inference"}
    row["peak_memory_bytes"] = _mean([inference.peak_memory_bytes for inference in metered])

    for name in _COSTS:
        row[name] = _mean([_per_images(getattr(inference.costs, name), inference.images) for inference in metered])
    return row


def _from_ledger(sweep: Sweep, numbers: list[int], role: str) -> dict[str, Any]:
    row: dict[str, Any] = {"source": "none", "peak_memory_bytes": math.nan} | dict.fromkeys(_COSTS, math.nan)
    ledger = sweep.ledger[sweep.ledger["campaign"].isin(numbers)]
    of_role = ledger[ledger["trial"].isna() if role == "teacher" else ledger["trial"].notna()]

    phases = (Phase.INFERENCE.value,) if role == "teacher" else (Phase.INFERENCE.value, Phase.TEST.value)
    for phase in phases:
        passes = of_role[(of_role["phase"] == phase) & (of_role["images"] > 0)]
        if len(passes):
            total = sum_or_missing(passes.assign(all=0), ["all"], (*_COSTS, "images")).iloc[0]
            return row | {"source": phase} | {name: _per_images(total[name], total["images"]) for name in _COSTS}
    return row


def _per_images(value: float | None, images: float) -> float:
    return math.nan if value is None else float(value) * IMAGES / images


def _mean(values: Sequence[float | None]) -> float:
    return statistics.fmean(math.nan if value is None else value for value in values)
