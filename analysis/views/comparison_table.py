"""The comparison as tables of text, one per group of settings, and as files."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Console
from rich.markup import escape
from rich.padding import Padding

from analysis import units
from analysis.frames import columns
from analysis.frames.groupby import groups, rows_of
from analysis.frames.load import Sweep, load
from analysis.results.comparison import Comparison, compare
from analysis.results.verdict import Verdict, verdicts
from analysis.views.table import CSV_FLOATS, Table, csv_escape, to_latex, to_markdown, to_terminal
from greenkd.records import StrategyKind

GROUPS = columns.SETTING
_WIDEST, _NARROWEST = 120, 100
_WIDEST_TAUS = 12  # letters


def comparison_tables(
    sweep: Sweep, comparison: Comparison, *, baseline: str = "stochastic", group_by: Sequence[str] = GROUPS
) -> list[Table]:
    """One table per group; `group_by` names columns of the setting, the rest become columns of the table."""
    tables = []
    for key, rows in groups(comparison.table, group_by):
        names = dict(zip(group_by, key, strict=True))
        tables.append(_table(sweep, comparison, rows, names, baseline))
    return tables


def _table(sweep: Sweep, comparison: Comparison, rows: pd.DataFrame, names: dict[str, str], baseline: str) -> Table:
    basis = next((name for name in ("energy_kwh", "cpu_s", "duration_s") if rows[f"tuning_{name}"].notna().any()), "")
    scales = {
        name: units.scale(name, rows[f"tuning_{name}"]) for name in ("energy_kwh", "co2eq_g", "flops", "duration_s")
    }
    price = sweep.pricing.price
    money = () if price is None else ("money",)
    extra = [name for name in columns.SETTING if name not in names and rows[name].nunique() > 1]
    ratios = {"baseline": f"×{baseline}", "fixed": "×fixed", "teacher": "×teacher"}
    header = (
        "strategy",
        *(name.replace("setting_id", "setting") for name in extra),
        "trials",
        "chosen τ",
        "val. acc. %",
        "test acc. %",
        *(unit for _, unit in scales.values()),
        *money,
        *ratios.values(),
    )
    cells = []
    anchors = []
    for row in rows_of(rows):
        cells.append(
            (
                row["strategy"],
                *(row[name] for name in extra),
                _trials(row),
                _taus(row),
                units.mean_sd(row["val_score_mean"], row["val_score_sd"]),
                units.mean_sd(row["test_score_mean"], row["test_score_sd"]),
                *(units.figure(row[f"tuning_{name}"] * factor) for name, (factor, _) in scales.items()),
                *(units.figure(row["tuning_money"]) for _ in money),
                *(units.multiple(row[f"{basis}_x_{name}"] if basis else math.nan) for name in ratios),
            )
        )
        anchors.append(_folders(sweep, comparison, row))
    settings = rows["setting_id"].unique()
    runs = comparison.runs[comparison.runs["setting_id"].isin(settings)]
    first = 1 + len(extra)
    val, grams, flops, seconds = first + 2, first + 5, first + 6, first + 7
    return Table(
        title=_title(rows, names, runs),
        header=header,
        rows=tuple(cells),
        notes=tuple(_notes(comparison, runs, basis, price)),
        left=frozenset(range(first)),
        optional=(seconds, grams, flops, val, first),
        anchors=tuple(anchors),
    )


def _title(rows: pd.DataFrame, names: dict[str, str], runs: pd.DataFrame) -> str:
    def name(key: str) -> str:
        values = sorted(set(rows[key]))
        return values[0] if len(values) == 1 else f"{len(values)} {key}s"

    seeds = ", ".join(str(seed) for seed in sorted(set(runs["seed"])))
    setting = f" · setting {names['setting_id']}" if "setting_id" in names else ""
    return f"{name('dataset')} · {name('teacher')} → {name('student')} · {name('objective')}{setting} · seed {seeds}"


def _trials(row: dict[str, Any]) -> str:
    per_seed, seeds = row["trials_per_seed"], row["seeds"]
    if row["trials"] < row["planned_trials"]:
        return f"{row['trials']} of {row['planned_trials']}"
    return f"{seeds}×{per_seed}" if seeds > 1 else str(per_seed)


def _taus(row: dict[str, Any]) -> str:
    taus = [tau for tau in row["chosen_taus"] if not math.isnan(tau)]
    if not taus:
        return {StrategyKind.STOCHASTIC: "drawn", StrategyKind.ADAPTIVE: "rule"}.get(row["kind"], units.MISSING)
    if row["kind"] == StrategyKind.ADAPTIVE:
        return f"rule, {_listed(taus)}"
    return _listed(taus)


def _listed(taus: list[float]) -> str:
    if len(set(taus)) == 1:
        return f"{taus[0]:.3g}"
    listed = ",".join(f"{tau:.3g}" for tau in taus)
    return listed if len(listed) <= _WIDEST_TAUS else f"{min(taus):.3g}…{max(taus):.3g}"


def _folders(sweep: Sweep, comparison: Comparison, row: dict[str, Any]) -> tuple[str, ...]:
    runs = comparison.runs
    own = runs[(runs["setting_id"] == row["setting_id"]) & (runs["strategy"] == row["strategy"])]
    return tuple(str(sweep.folders[number]) for numbers in own["campaigns"] for number in numbers)


_BASIS = {
    "energy_kwh": "energy",
    "cpu_s": "CPU seconds, as no energy was measured",
    "duration_s": "seconds, as neither energy nor CPU time was measured",
    "": "nothing: no cost was measured",
}


def _notes(comparison: Comparison, runs: pd.DataFrame, basis: str, price: float | None) -> list[str]:
    notes = [
        "costs: choosing τ, mean per seed: every attempt, validation, overhead and the teacher's logits; without "
        "the teacher's training and the final test",
        f"multiples of {_BASIS[basis]}; FLOPs forward and backward, 1 MAC = 2 FLOPs",
    ]
    teachers = [f"{units.figure(value * 1e3)} Wh" for value in sorted(set(runs["teacher_energy_kwh"].dropna()))]
    if teachers:
        notes.append(f"training the teacher once: {', '.join(teachers)}, not in the costs above")
    notes += [f"energy: {meter}, device energy (PUE 1)" for meter in sorted(set(runs["meter"]))]
    notes += [f"grams: {carbon}" for carbon in sorted(set(runs["carbon"]))]
    if price is not None:
        notes.append(f"money: energy × PUE × {price:g} per kWh")
    for setting in sorted(set(runs["setting_id"])):
        notes += comparison.notes[setting]
    return notes


def write_comparison(comparison: Comparison, tables: Sequence[Table], folder: Path) -> list[Path]:
    """Writes `comparison.csv` (every figure, full precision), `comparison.md` and `comparison.tex`."""
    folder.mkdir(parents=True, exist_ok=True)
    written = [folder / f"comparison.{ending}" for ending in ("csv", "md", "tex")]
    table = comparison.table.assign(
        chosen_taus=[";".join(f"{tau:g}" for tau in taus) for taus in comparison.table["chosen_taus"]]
    )
    table = table.map(lambda value: csv_escape(value) if isinstance(value, str) else value)
    table.to_csv(written[0], index=False, float_format=CSV_FLOATS)
    written[1].write_text("\n".join(to_markdown(table) for table in tables), encoding="utf-8")
    written[2].write_text("\n".join(to_latex(table) for table in tables), encoding="utf-8")
    return written


def console(width: int | None = None) -> Console:
    """A console that never wraps a table needlessly: 100 to 120 columns where the output is no terminal."""
    found = Console(highlight=False)
    if width is None:
        width = min(found.width, _WIDEST) if found.is_terminal else _WIDEST
    return Console(highlight=False, width=max(width, 60) if found.is_terminal else max(width, _NARROWEST))


def print_comparison(path: str | Path, out: Console | None = None) -> Sweep:
    """Prints the comparison of a sweep's folder and writes its files there; a sweep calls this at its end.

    Raises:
        analysis.AnalysisError: The folder holds no campaign.
    """
    out = out or console()
    sweep = load(path)
    comparison = compare(sweep)
    tables = comparison_tables(sweep, comparison)
    for table in tables:
        to_terminal(table, out)
    print_verdicts(verdicts(comparison), out)
    print_problems(sweep, out)
    written = write_comparison(comparison, tables, Path(path))
    out.print(f"\nwritten: {', '.join(str(file) for file in written)}", soft_wrap=True)
    return sweep


def print_verdicts(found: Sequence[Verdict], out: Console) -> None:
    """One sentence per verdict."""
    if not found:
        return
    out.print("\nIs it worth its energy?", style="bold")
    for verdict in found:
        out.print(Padding(escape(verdict.sentence), (0, 0, 0, 2)))


def print_problems(sweep: Sweep, out: Console) -> None:
    """Lists what a reader of the tables has to know about the files behind them."""
    if not sweep.problems:
        return
    out.print("\nTo know about these records", style="bold")
    for problem in sweep.problems:
        out.print(f"  {problem.where}: {problem.what}", style="yellow", markup=False, soft_wrap=True)
