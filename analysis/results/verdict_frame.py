"""The verdicts as a frame, for files."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis.frames import columns
from analysis.results.verdict import Verdict

_IN_POINTS = frozenset({"mean", "sd", "low", "high", "bootstrap_low", "bootstrap_high"})


def verdict_frame(judged: Sequence[Verdict]) -> pd.DataFrame:
    """Returns one row per verdict: the gain and its interval, the plain paired tests, and what it cost."""
    return pd.DataFrame([_row(verdict) for verdict in judged])


def _row(verdict: Verdict) -> dict[str, Any]:
    row: dict[str, Any] = dict(zip(columns.SETTING, verdict.setting, strict=True))
    row |= {"strategy": verdict.strategy, "control": verdict.control, "primary": verdict.primary}

    gain, seed_range = verdict.gain, verdict.seed_range
    row |= {
        "decision": verdict.decision,
        "margin_points": verdict.margin,
        "gain_points": float(gain.value),
        "gain_points_low": verdict.low,
        "gain_points_high": verdict.high,
        "gain_points_standard_error": float(gain.standard_error),
        "df": float(gain.df),
        "crossed_points_low": verdict.crossed.low if verdict.crossed else None,
        "crossed_points_high": verdict.crossed.high if verdict.crossed else None,
        "test_images": verdict.crossed.images if verdict.crossed else None,
        "level_low": verdict.levels[0],
        "level_high": verdict.levels[1],
        "p_worth": verdict.p_worth,
        "p_not_worth": verdict.p_not_worth,
        "seeds": gain.seeds,
        "further_seeds": gain.further_seeds,
        "earlier_looks": " ".join(str(seeds) for seeds in verdict.looks),
        "more_seeds_fewest": seed_range.fewest if seed_range else None,
        "more_seeds_most": seed_range.most if seed_range else None,
    }

    # The plain tests of the chosen trials beside it.
    for field in dataclasses.fields(verdict.paired):
        name = f"points_{field.name}" if field.name in _IN_POINTS else field.name
        row[f"paired_{name}"] = getattr(verdict.paired, field.name)

    return row | {
        "extra_trainings": verdict.costs.extra_trainings,
        "extra_kwh": verdict.extra_kwh,
        "cost_multiple": verdict.cost_multiple,
        "kwh_per_point_at_least": verdict.kwh_per_point,
        "extra_cpu_s": verdict.costs.extra_cpu_s,
        "extra_co2eq_g": verdict.costs.extra_co2eq_g,
        "cpu_s_multiple": verdict.costs.multiples["cpu_s"],
        "flops_multiple": verdict.costs.multiples["flops"],
        "sentence": verdict.sentence,
    }
