"""The comparison as tables of text, one per group of settings."""

import math
from collections.abc import Sequence
from typing import Any

import pandas as pd

from analysis import units
from analysis.frames import columns
from analysis.frames.groupby import groups, rows_of
from analysis.frames.load import Sweep
from analysis.results.comparison import Comparison
from analysis.results.spending import has_sensor, spending_basis
from analysis.views.metric_words import MetricWords, metric_words
from analysis.views.table import Column, Table, make_table
from greenkd.records import StrategyKind

_WIDEST_TAUS = 12  # letters

# The costs that are shown, each with its turn to leave a narrow terminal.
_WITH_SENSOR = {"energy_kwh": 0, "co2eq_g": 2, "flops": 3, "duration_s": 1}
_WITHOUT_SENSOR = {"cpu_s": 0, "flops": 0, "duration_s": 1}

# What multiples are of.
_BASES = {
    "energy_kwh": "energy",
    "cpu_s": "CPU seconds",
    "duration_s": "seconds, as neither energy nor CPU time was measured",
    "": "nothing: no cost was measured",
}

_COST_NOTE = (
    "costs: choosing τ, mean per seed: every attempt, validation, overhead and the teacher's logits; without "
    "the teacher's training and the final test"
)
_STARTUP_NOTE = "start-up: an equal share of what the command took outside its campaigns; in no cost and no multiple"
_ECE_NOTE = "ECE: expected calibration error of the test set (Guo et al. 2017), 15 bins of equal width; lower is better"
_IMAGES_NOTE = (
    "images: making what the students see, once for each strategy as if it had been run alone; in all costs "
    "and multiples but the last, which is without it"
)


def _multiples_note(basis: str) -> str:
    return f"multiples of {_BASES[basis]}; FLOPs forward and backward, 1 MAC = 2 FLOPs"


def comparison_tables(
    sweep: Sweep, comparison: Comparison, *, baseline: str = "stochastic", group_by: Sequence[str] = columns.SETTING
) -> list[Table]:
    """Returns one table per group of settings.

    Args:
        sweep: The records; price and folders are taken from them.
        comparison: What `compare` made of the records.
        baseline: The strategy that the first multiple refers to, for the header.
        group_by: Columns of a setting that have one value per table; the others become columns of the table.
    """
    return [
        _table(sweep, comparison, rows, dict(zip(group_by, key, strict=True)), baseline)
        for key, rows in groups(comparison.table, group_by)
    ]


def _table(sweep: Sweep, comparison: Comparison, table: pd.DataFrame, names: dict[str, str], baseline: str) -> Table:
    rows = rows_of(table)
    words = metric_words(table["metric"])
    runs = comparison.runs[comparison.runs["setting_id"].isin(table["setting_id"].unique())]
    basis = spending_basis(runs["meter"], table, prefix="tuning_", of_all=False) or ""

    # What was compared and chosen, and what it got.
    searched = sorted({key for row in rows for key in row["searched"]})
    more = [name for name in columns.SETTING if name not in names and table[name].nunique() > 1]
    shown = [
        Column("strategy", [row["strategy"] for row in rows], words=True),
        Column("class", [row["class"] for row in rows], words=True, leaves=8),
        *(Column(name.replace("setting_id", "setting"), [row[name] for row in rows], words=True) for name in more),
        Column("trials", [trials_in_words(row) for row in rows], leaves=7),
        Column("chosen τ", [taus_in_words(row) for row in rows]),
        *(Column(f"chosen\n{key}", [_values(row, key) for row in rows], words=True) for key in searched),
        Column(f"val. {words.header}", _mean_sd(rows, "val_score", words), leaves=5),
        Column(f"test {words.header}", _mean_sd(rows, "test_score", words)),
        *_endpoint_columns(rows, words),
    ]

    # What was paid: costs, then multiples of other strategies' costs. Start-up stands by itself and in no multiple.
    with_sensor = has_sensor(runs["meter"])
    shown += _cost_columns(rows, table, _WITH_SENSOR if with_sensor else _WITHOUT_SENSOR, begin=True)
    shown += _startup_column(rows, table, basis)
    if sweep.pricing.price is not None:
        money = [units.figure(row["tuning_money"]) for row in rows]
        shown.append(Column("money", money, note=f"money: energy × PUE × {sweep.pricing.price:g} per kWh"))
    for name, header in (("baseline", f"×{baseline}"), ("fixed", "×fixed"), ("teacher", "×teacher")):
        multiples = [row[f"{basis}_x_{name}"] if basis else math.nan for row in rows]
        shown.append(Column(header, [units.multiple(value) for value in multiples], note=_multiples_note(basis)))
    shown += _synthesis_columns(rows, basis, baseline)
    if not with_sensor:
        shown += _modelled_columns(rows, table)

    return make_table(
        _title(table, names, runs),
        shown,
        notes=_notes(comparison, runs),
        anchors=_folders(sweep, runs, rows),
    )


def _endpoint_columns(rows: list[dict[str, Any]], words: MetricWords) -> list[Column]:
    """Returns what else the test says, where it is on record: the loss, and how well confidence fits accuracy."""
    shown = []
    for name, header, scale, digits, note in (
        ("test_loss", f"test {words.loss_header}", 1.0, 3, ""),
        ("test_calibration_error", "ECE %", 100.0, 2, _ECE_NOTE),
    ):
        values = [(scale * row[f"{name}_mean"], scale * row[f"{name}_sd"]) for row in rows]
        if not all(math.isnan(mean) for mean, _ in values):
            shown.append(Column(header, [units.mean_sd(mean, sd, digits) for mean, sd in values], leaves=5, note=note))
    return shown


def _cost_columns(
    rows: list[dict[str, Any]], table: pd.DataFrame, shown: dict[str, int], *, begin: bool = False
) -> list[Column]:
    """Returns columns of what choosing τ took.

    Args:
        rows: The rows of the table.
        table: The same as a frame.
        shown: By cost, its turn to leave a narrow terminal.
        begin: Whether the costs begin with these.
    """
    columns_shown: list[Column] = []
    for name, leaves in shown.items():
        factor, unit = units.scale(name, table[f"tuning_{name}"])
        header = f"CPU {unit}" if name == "cpu_s" else unit
        cells = [units.figure(row[f"tuning_{name}"] * factor) for row in rows]
        begins = "what it cost" if begin and not columns_shown else ""
        columns_shown.append(Column(header, cells, leaves=leaves, note=_COST_NOTE, begins=begins))
    return columns_shown


def _startup_column(rows: list[dict[str, Any]], table: pd.DataFrame, basis: str) -> list[Column]:
    """Returns the start-up in the unit that multiples are of; no column where none was recorded."""
    if not basis or table[f"startup_{basis}"].isna().all():
        return []
    factor, unit = units.scale(basis, table[f"tuning_{basis}"])
    name = f"CPU {unit}" if basis == "cpu_s" else unit
    cells = [units.figure(row[f"startup_{basis}"] * factor) for row in rows]
    return [Column(f"start-up\n{name}", cells, leaves=6, note=_STARTUP_NOTE)]


def _synthesis_columns(rows: list[dict[str, Any]], basis: str, baseline: str) -> list[Column]:
    """Returns what making the students' images took, and the multiple without it; none where they are real."""
    if not basis or all(row["synthesis_duration_s"] == 0 for row in rows):
        return []

    factor, unit = units.scale(basis, [row[f"synthesis_{basis}"] for row in rows])
    name = f"CPU {unit}" if basis == "cpu_s" else unit
    without = [units.multiple(row[f"{basis}_x_baseline_without_synthesis"]) for row in rows]
    return [
        Column(
            f"images\n{name}", [units.figure(row[f"synthesis_{basis}"] * factor) for row in rows], note=_IMAGES_NOTE
        ),
        Column(f"×{baseline}\nwithout", without, note=_IMAGES_NOTE),
    ]


def _modelled_columns(rows: list[dict[str, Any]], table: pd.DataFrame) -> list[Column]:
    """Returns the joules that no sensor saw: what a model makes of CPU seconds apart from what goes by the clock."""
    if table["tuning_energy_kwh"].isna().all():
        return []

    factor, unit = units.scale("energy_kwh", table["tuning_energy_kwh"])
    by_clock = [row["tuning_constant_kwh"] * factor for row in rows]
    modelled = [row["tuning_energy_kwh"] * factor - constant for row, constant in zip(rows, by_clock, strict=True)]
    shown = [Column(f"{unit}\nmodel", [units.figure(value) for value in modelled], leaves=4)]
    if any(value > 0 for value in by_clock):
        shown.append(Column(f"{unit}\nconst.", [units.figure(value) for value in by_clock], leaves=3))
    return [*shown, *_cost_columns(rows, table, {"co2eq_g": 2})]


def _title(table: pd.DataFrame, names: dict[str, str], runs: pd.DataFrame) -> str:
    def name(column: str) -> str:
        values = sorted(set(table[column]))
        return values[0] if len(values) == 1 else f"{len(values)} {column}s"

    seeds = ", ".join(str(seed) for seed in sorted(set(runs["seed"])))
    setting = f" · setting {names['setting_id']}" if "setting_id" in names else ""
    return f"{name('dataset')} · {name('teacher')} → {name('student')} · {name('objective')}{setting} · seed {seeds}"


def _mean_sd(rows: list[dict[str, Any]], name: str, words: MetricWords) -> list[str]:
    return [words.mean_sd(row[f"{name}_mean"], row[f"{name}_sd"]) for row in rows]


def trials_in_words(row: dict[str, Any]) -> str:
    """Returns how many trials there are: seeds × trials of a seed, or how many of those planned are complete."""
    per_seed, seeds = row["trials_per_seed"], row["seeds"]
    if row["trials"] < row["planned_trials"]:
        return f"{row['trials']} of {row['planned_trials']}"
    return f"{seeds}×{per_seed}" if seeds > 1 else str(per_seed)


def taus_in_words(row: dict[str, Any]) -> str:
    """Returns the τ that was chosen: one, a short list over seeds, or the range of a long one."""
    taus = [tau for tau in row["chosen_taus"] if not math.isnan(tau)]
    if not taus:
        return {StrategyKind.STOCHASTIC: "drawn", StrategyKind.ADAPTIVE: "rule"}.get(row["kind"], units.MISSING)

    # With a rule, τ is a base that cannot be compared with the τ of other strategies.
    listed = _listed(taus)
    return f"rule, {listed}" if row["kind"] == StrategyKind.ADAPTIVE else listed


def _values(row: dict[str, Any], key: str) -> str:
    """Returns what was chosen for a searched setting: one value, or the list over seeds."""
    chosen = [params[key] for params in row["chosen_params"] if params and key in params]
    texts = [f"{value:.3g}" if isinstance(value, float) else str(value) for value in chosen]
    return ",".join(texts[:1] if len(set(texts)) == 1 else texts) or units.MISSING


def _listed(taus: list[float]) -> str:
    if len(set(taus)) == 1:
        return f"{taus[0]:.3g}"

    listed = ",".join(f"{tau:.3g}" for tau in taus)
    return listed if len(listed) <= _WIDEST_TAUS else f"{min(taus):.3g}…{max(taus):.3g}"


def _folders(sweep: Sweep, runs: pd.DataFrame, rows: list[dict[str, Any]]) -> list[tuple[str, ...]]:
    """Returns the folders of the campaigns behind each row."""
    behind: dict[tuple[str, str], list[int]] = {}
    for setting_id, strategy, campaigns in zip(runs["setting_id"], runs["strategy"], runs["campaigns"], strict=True):
        behind.setdefault((setting_id, strategy), []).extend(campaigns)
    return [tuple(str(sweep.folders[number]) for number in behind[row["setting_id"], row["strategy"]]) for row in rows]


def _notes(comparison: Comparison, runs: pd.DataFrame) -> list[str]:
    notes = []
    teachers = _teachers(runs)
    if teachers:
        notes.append(f"training the teacher once: {' or '.join(teachers)}; not in the costs above")
    notes += [f"energy: {meter}, device energy (PUE 1)" for meter in sorted(set(runs["meter"]))]
    notes += [f"grams: {carbon}" for carbon in sorted(set(runs["carbon"]))]

    for setting in sorted(set(runs["setting_id"])):
        notes += comparison.notes[setting]
    return notes


def _teachers(runs: pd.DataFrame) -> list[str]:
    """Returns what each teacher's training took: energy where sensors were read, else CPU seconds first."""
    names = ("energy_kwh",) if has_sensor(runs["meter"]) else ("cpu_s", "energy_kwh")
    texts = []
    for row in rows_of(runs[[f"teacher_{name}" for name in names]].drop_duplicates()):
        known = [units.amount(name, row[f"teacher_{name}"]) for name in names if not math.isnan(row[f"teacher_{name}"])]
        if known:
            texts.append(", ".join(known))
    return sorted(set(texts))
