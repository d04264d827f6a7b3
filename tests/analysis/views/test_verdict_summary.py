"""Many verdicts are a sentence and a table whose words are said once; a few are sentences."""

import dataclasses
from collections import Counter
from pathlib import Path

import pytest

import analysis
from analysis.results.standings import standings
from analysis.results.verdict import Verdict
from analysis.views.figures import figures
from analysis.views.table import Table
from analysis.views.verdict_summary import other_verdicts_tables, verdicts_in_full
from greenkd.records import StrategyKind
from tests.analysis.plans import Plan, Trial, standard_plans
from tests.analysis.sweeps import write_sweep

SEEDS = (0, 1, 2)


def judged_and_tables(root: Path) -> tuple[list[Verdict], list[Table]]:
    comparison = analysis.compare(analysis.load(root))
    judged = analysis.verdicts(comparison)
    return judged, other_verdicts_tables(judged, standings(comparison, judged))


def with_searches(root: Path, names: tuple[str, ...], **setting: str) -> None:
    searches = [
        Plan(
            strategy=name,
            kind=StrategyKind.SEARCH,
            seed=seed,
            **setting,
            trials=[Trial(tau=3.0, test_score=0.9 + 0.01 * seed), Trial(tau=5.0, test_score=0.92 - 0.01 * seed)],
        )
        for seed in SEEDS
        for name in names
    ]
    standard = standard_plans(seeds=SEEDS, taus=(2.0, 4.0, 8.0))
    write_sweep(root, [*(dataclasses.replace(plan, **setting) for plan in standard), *searches])


def test_a_few_verdicts_are_all_sentences(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=SEEDS, taus=(2.0, 4.0, 8.0))
    judged, tables = judged_and_tables(tmp_path)
    assert verdicts_in_full(judged) == judged
    assert tables == []


def test_of_many_the_primary_one_is_a_sentence_and_a_word_is_said_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with_searches(tmp_path, ("optuna", "optuna_b", "optuna_c"))
    judged, (table,) = judged_and_tables(tmp_path)
    assert [verdict.primary for verdict in verdicts_in_full(judged)] == [True]

    # Each other verdict is a row or counted below, and each word stands in one row.
    in_notes = sum(int(word) for note in table.notes for word in note.split() if word.isdigit())
    assert len(table.rows) + in_notes == len(judged) - 1
    words = Counter(row[0] for row in table.rows)
    assert all(count == 1 for word, count in words.items() if word)

    analysis.print_comparison(tmp_path)
    assert capsys.readouterr().out.count("cannot tell") <= 3


def test_each_of_several_settings_has_a_table_that_names_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    searches = ("optuna", "optuna_b", "optuna_c")
    with_searches(tmp_path / "first", searches)
    with_searches(tmp_path / "second", searches, dataset="clocks")
    comparison = analysis.compare(analysis.load(tmp_path))
    judged = analysis.verdicts(comparison)
    tables = other_verdicts_tables(judged, standings(comparison, judged))
    assert [table.title.split(" · ")[0] for table in tables] == list(dict.fromkeys(one.setting[0] for one in judged))
    assert len(tables) == 2

    # However narrow the terminal is, every row stands below its setting.
    analysis.print_comparison(tmp_path)
    assert capsys.readouterr().out.count("clocks · ") >= 1


def test_the_picture_says_each_verdict_once(tmp_path: Path) -> None:
    with_searches(tmp_path, ("optuna", "optuna_b", "optuna_c"))
    sweep = analysis.load(tmp_path)
    comparison = analysis.compare(sweep)
    found = standings(comparison, analysis.verdicts(comparison))
    picture = next(one for one in figures(sweep, comparison, standings=found) if one.name == "cost-and-gain")
    words = [
        text.get_text().split(":")[0] for axes in picture.figure.axes for text in axes.texts if ":" in text.get_text()
    ]
    decisions = {standing.verdict.decision for standing in found if standing.verdict is not None}
    assert sorted(words) == sorted(decisions)
