"""The tables and verdicts of a study as Markdown: what its text shows between two markers, from the records alone."""

import dataclasses
from pathlib import Path

import pandas as pd

import analysis
from analysis.frames import columns
from analysis.results.verdict import Verdict
from analysis.results.verdict_words import plain
from analysis.views.table import Table
from analysis.views.verdict_table import verdict_table
from analysis.views.writers import to_markdown
from greenkd.errors import StorageError
from studies.running import load_records
from studies.study import Study

_COMPARED = (
    "strategy",
    "class",
    "trials",
    "chosen τ",
    "test ",
    "CPU ",
    "GFLOP",
    "TFLOP",
    "×stochastic",
    "×fixed",
    "×teacher",
)
_SUMMED_UP = ("strategy", "over", "gain, points", "interval", "seeds", "×CPU s", "×FLOPs", "verdict")
_JUDGED = ("strategy", "over", "verdict", "seeds", "gain, points", "interval", "×CPU s", "×FLOPs", "more seeds")


def markers(study: Study, action: str) -> tuple[str, str]:
    """Returns the lines between which a text holds what a command prints of a study, `tables` or `summary`."""
    command = f"python -m studies {action} {study.folder.as_posix()}"
    return f"<!-- {command}: begin -->\n", f"<!-- {command}: end -->\n"


def study_tables(study: Study) -> str:
    """Returns, per setting, what every strategy cost and got, what any τ can gain, and the verdicts."""
    comparison = analysis.compare(load_records(study))
    judged = analysis.verdicts(comparison, margin=study.plan.margin)
    response_of = {response.setting: response for response in analysis.responses(comparison)}

    parts = []
    for table in analysis.comparison_tables(comparison.sweep, comparison):
        setting = _setting(table, comparison.table)
        parts.append(_bare(_selected(table, _COMPARED)))
        if setting in response_of:
            parts.append(f"{response_of[setting].sentence(study.plan.margin)}\n")
        parts += _verdicts([verdict for verdict in judged if verdict.setting == setting and _is_shown(verdict)])
    return "\n".join(parts)


def study_summary(study: Study) -> str:
    """Returns one table of all settings: their widest search and the random τ, over fixed τ and over each other."""
    comparison = analysis.compare(load_records(study))
    judged = analysis.verdicts(comparison, margin=study.plan.margin)
    searches = {verdict.setting: verdict.strategy for verdict in judged if verdict.primary}
    shown = [verdict for verdict in judged if verdict.primary or _is_over_fixed(verdict, searches[verdict.setting])]

    table = _selected(verdict_table(shown), _SUMMED_UP)
    rows = tuple((_short(verdict), *row) for verdict, row in zip(shown, table.rows, strict=True))
    left = frozenset({0, *(column + 1 for column in table.left)})
    return _bare(Table(title="", header=("setting", *table.header), rows=rows, left=left))


def write_between(text: Path, lines: tuple[str, str], content: str) -> None:
    """Renews what stands between two lines of a text.

    Raises:
        StorageError: The text has no such lines.
    """
    begin, end = lines
    before, found, rest = text.read_text(encoding="utf-8").partition(begin)
    _, found_end, after = rest.partition(end)
    if not found or not found_end:
        raise StorageError(f"{text}: has no lines {begin.strip()} and {end.strip()}; put them where the tables belong")
    text.write_text(f"{before}{begin}\n{content}\n{end}{after}", encoding="utf-8")


def _is_over_fixed(verdict: Verdict, search: str) -> bool:
    return plain(verdict.control).startswith("fixed") and verdict.strategy in (search, "stochastic")


def _short(verdict: Verdict) -> str:
    dataset, teacher, student, *_ = verdict.setting
    return f"{dataset}, {teacher} → {student}"


def _setting(table: Table, rows: pd.DataFrame) -> tuple[str, ...]:
    """Returns the setting of a table of one setting, whose identity stands in its title."""
    found = rows[[f"setting {setting_id}" in table.title for setting_id in rows["setting_id"]]].iloc[0]
    return tuple(found[name] for name in columns.SETTING)


def _is_shown(verdict: Verdict) -> bool:
    """Whether a verdict is shown: the primary one, those over fixed τ, and searches over as many restarts.

    All of them stand in `verdict.csv`, and all share the level of the secondary ones.
    """
    return verdict.primary or plain(verdict.control).startswith("fixed") or verdict.same_cost


def _verdicts(judged: list[Verdict]) -> list[str]:
    if not judged:
        return []
    table = _selected(verdict_table(judged), _JUDGED)
    return [_bare(dataclasses.replace(table, title=""))]


def _selected(table: Table, headers: tuple[str, ...]) -> Table:
    """Returns a table with those columns whose headers begin so."""
    kept = [
        number
        for number, header in enumerate(table.header)
        if header.startswith(headers) and not header.startswith(("start-up", "seeds ×"))
    ]
    return Table(
        title=table.title,
        header=tuple(table.header[number].replace("\n", " ") for number in kept),
        rows=tuple(tuple(row[number] for number in kept) for row in table.rows),
        left=frozenset(place for place, number in enumerate(kept) if number in table.left),
    )


def _bare(table: Table) -> str:
    """Returns a table's Markdown without notes, under its title if it has one."""
    heading, _, rest = to_markdown(table).rstrip().partition("\n\n")
    return f"{heading}\n\n{rest}\n" if table.title else f"{rest}\n"
