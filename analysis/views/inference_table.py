"""What using the networks costs, as tables of text."""

import math

import pandas as pd

from analysis import units
from analysis.frames import columns
from analysis.frames.groupby import groups, joined, rows_of
from analysis.frames.load import Sweep
from analysis.results.inference import IMAGES
from analysis.results.run_rows import meter_text
from analysis.results.spending import has_sensor
from analysis.views.metric_words import metric_words
from analysis.views.setting_names import setting_title
from analysis.views.table import Column, Table, make_table


def inference_tables(sweep: Sweep, networks: pd.DataFrame) -> list[Table]:
    """Returns one table per setting, with a row for the teacher and one for each strategy's student.

    Args:
        sweep: The records; they know the meters.
        networks: What `inference` returned, or some settings of it.
    """
    if networks.empty:
        return []
    meters = joined(meter_text(row) for row in rows_of(sweep.campaigns))
    return [_table(key, networks, meters) for key, networks in groups(networks, columns.SETTING)]


def _table(key: tuple[str, ...], networks: pd.DataFrame, meters: str) -> Table:
    rows = rows_of(networks)
    words = metric_words(networks["metric"])

    shown = [
        Column("role", [row["role"] for row in rows], words=True),
        Column("network", [row["network"] for row in rows], words=True),
        Column("strategy", [row["strategy"] for row in rows], words=True),
        Column(f"test {words.header}", [words.text(row["test_score"]) for row in rows]),
        Column("parameters", [_count(row["parameters"]) for row in rows]),
        Column("GFLOPs / image", [units.figure(row["forward_flops_per_image"] * 1e-9) for row in rows]),
        Column(f"s / {IMAGES}", [units.figure(row["duration_s"]) for row in rows]),
    ]
    # Without a sensor CPU seconds stand before joules, which are a model's then.
    with_sensor = has_sensor(meters.split(" | "))
    if not with_sensor:
        shown.append(Column(f"CPU s / {IMAGES}", [units.figure(row["cpu_s"]) for row in rows]))
    for name in ("energy_kwh", "co2eq_g"):
        factor, unit = units.scale(name, networks[name])
        header = f"{unit} / {IMAGES}" if with_sensor else f"{unit} / {IMAGES}, model"
        shown.append(Column(header, [units.figure(row[name] * factor) for row in rows]))
    shown += [
        Column("peak MiB", [units.figure(row["peak_memory_bytes"] / 2**20) for row in rows]),
        Column("from phase", [row["source"] for row in rows], words=True),
    ]

    return make_table(
        f"Inference: {setting_title(key)}",
        shown,
        notes=(
            f"per {IMAGES} images; GFLOPs of a forward pass, 1 MAC = 2 FLOPs",
            f"energy: {meters}",
            "from phase test: the student's test pass, where inference was not metered apart",
        ),
    )


def _count(value: float) -> str:
    return units.MISSING if math.isnan(value) else f"{value:,.0f}"
