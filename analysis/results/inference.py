"""What using the networks costs: teacher against students.

Costs come from `campaign.json`, where inference was metered in a window of its own; else from the ledger's `inference`
rows (those of a trial are the student's, those of no trial the teacher's); else, for the student, from its `test` rows:
the same forward passes, with the accuracy counted too.
"""

import math
import statistics
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis import units
from analysis.frames import columns
from analysis.frames.groupby import groups, joined, rows_of, sum_or_missing
from analysis.frames.load import Sweep
from analysis.views.table import Table
from greenkd.records import Phase

IMAGES = 1000
_COSTS = ("duration_s", "cpu_s", "energy_kwh", "co2eq_g")


def inference(sweep: Sweep) -> pd.DataFrame:
    """One row per setting and network (the teacher, each strategy's student).

    Columns: the setting's, `network`, `role`, `strategy`, `parameters`, `forward_flops_per_image`, `test_score`
    (mean), `source` (inference, test or none), `peak_memory_bytes`, and per 1000 images
    `duration_s`, `cpu_s`, `energy_kwh`, `co2eq_g`.
    """
    rows: list[dict[str, Any]] = []
    for key, setting in groups(sweep.campaigns, columns.SETTING):
        names = dict(zip(columns.SETTING, key, strict=True))
        first = rows_of(setting)[0]
        if not math.isnan(first["teacher_parameters"]):
            rows.append(
                names
                | {"network": names["teacher"], "role": "teacher", "strategy": units.MISSING}
                | {"parameters": first["teacher_parameters"], "test_score": first["teacher_test_score"]}
                | {"forward_flops_per_image": first["teacher_forward_flops_per_image"]}
                | _per_images(sweep, setting, "teacher")
            )
        for (strategy,), group in groups(setting, ["strategy"]):
            rows.append(
                names
                | {"network": names["student"], "role": "student", "strategy": strategy}
                | {"parameters": group["student_parameters"].mean(), "test_score": group["test_score"].mean()}
                | {"forward_flops_per_image": group["student_forward_flops_per_image"].mean()}
                | _per_images(sweep, group, "student")
            )
    return pd.DataFrame(rows)


def _per_images(sweep: Sweep, campaigns: pd.DataFrame, role: str) -> dict[str, Any]:
    numbers = list(campaigns["campaign"])
    metered = [
        found
        for record in (sweep.records[number] for number in numbers)
        if (found := record.teacher_inference if role == "teacher" else record.student_inference) is not None
    ]
    if metered:
        return {"source": "inference", "peak_memory_bytes": _mean([found.peak_memory_bytes for found in metered])} | {
            name: _mean([_share(getattr(found.costs, name), found.images) for found in metered]) for name in _COSTS
        }
    ledger = sweep.ledger[sweep.ledger["campaign"].isin(numbers)]
    of_role = ledger[ledger["trial"].isna() if role == "teacher" else ledger["trial"].notna()]
    phases = (Phase.INFERENCE.value,) if role == "teacher" else (Phase.INFERENCE.value, Phase.TEST.value)
    missing: dict[str, Any] = {"source": "none", "peak_memory_bytes": math.nan} | dict.fromkeys(_COSTS, math.nan)
    for phase in phases:
        own = of_role[(of_role["phase"] == phase) & (of_role["images"] > 0)]
        if len(own):
            total = sum_or_missing(own.assign(every=0), ["every"], (*_COSTS, "images")).iloc[0]
            return missing | {"source": phase} | {name: _share(total[name], total["images"]) for name in _COSTS}
    return missing


def _share(value: float | None, images: float) -> float:
    return math.nan if value is None else float(value) * IMAGES / images


def _mean(values: Sequence[float | None]) -> float:
    return statistics.fmean(math.nan if value is None else value for value in values)


def inference_tables(sweep: Sweep) -> list[Table]:
    """One table per setting."""
    found = inference(sweep)
    tables = []
    for key, rows in groups(found, columns.SETTING):
        energy, energy_unit = units.scale("energy_kwh", rows["energy_kwh"])
        grams, grams_unit = units.scale("co2eq_g", rows["co2eq_g"])
        cells = tuple(
            (
                row["role"],
                row["network"],
                row["strategy"],
                units.percent(row["test_score"]),
                units.MISSING if math.isnan(row["parameters"]) else f"{row['parameters']:,.0f}",
                units.figure(row["forward_flops_per_image"] * 1e-9),
                units.figure(row["duration_s"]),
                units.figure(row["energy_kwh"] * energy),
                units.figure(row["co2eq_g"] * grams),
                units.figure(row["peak_memory_bytes"] / 2**20),
                row["source"],
            )
            for row in rows_of(rows)
        )
        tables.append(
            Table(
                title=f"Inference: {key[0]} · {key[1]} → {key[2]} · {key[3]} · setting {key[4]}",
                header=(
                    "role",
                    "network",
                    "strategy",
                    "test acc. %",
                    "parameters",
                    "GFLOPs / image",
                    f"s / {IMAGES}",
                    f"{energy_unit} / {IMAGES}",
                    f"{grams_unit} / {IMAGES}",
                    "peak MiB",
                    "from phase",
                ),
                rows=cells,
                notes=(
                    f"per {IMAGES} images; GFLOPs of a forward pass, 1 MAC = 2 FLOPs",
                    f"energy: {joined(sweep.ledger['meter'])}",
                    "from phase test: the student's test pass, where inference was not metered apart",
                ),
                left=frozenset({0, 1, 2, 10}),
            )
        )
    return tables
