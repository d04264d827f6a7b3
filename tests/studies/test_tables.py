import dataclasses
import shutil
from pathlib import Path

import pytest

import analysis
from greenkd.errors import StorageError
from greenkd.records.packing import SUFFIX, pack
from studies.figure import gains_figure
from studies.study import Plan, Study, read_study
from studies.tables import markers, study_summary, study_tables, write_between
from tests.analysis.plans import Trial, fixed, grid, stochastic
from tests.analysis.sweeps import write_sweep

ROOT = Path(__file__).parents[2]
PAGE, README = ROOT / "docs" / "study.md", ROOT / "README.md"
PLAN = Plan(sweeps=("one",), core_hours=1.0, check=("check",), margin=0.5)


@pytest.fixture
def study(tmp_path: Path) -> Study:
    """A study of one planted sweep, whose grid gains two points over τ = 4."""
    plans = [grid(seed, Trial(tau=8.0, val_score=0.92, test_score=0.92 + seed / 1000)) for seed in range(3)]
    plans += [fixed(seed, 4.0) for seed in range(3)] + [stochastic(seed) for seed in range(3)]
    sweep = write_sweep(tmp_path / "multirun" / "one", plans)

    study = Study(tmp_path / "study", PLAN)
    pack(sweep, study.archive("one"))
    return study


@pytest.mark.slow
def test_the_texts_hold_the_tables_of_the_records(tmp_path: Path) -> None:
    study = read_study(ROOT / "studies" / "cpu-2026")
    named = dataclasses.replace(study, folder=Path("studies/cpu-2026"))

    # Unpacked elsewhere: a test leaves the tree as it is.
    (tmp_path / "records").mkdir()
    for archive in (study.folder / "records").glob(f"*{SUFFIX}"):
        shutil.copy(archive, tmp_path / "records")
    elsewhere = dataclasses.replace(study, folder=tmp_path)

    for action, text, print_ in (("tables", PAGE, study_tables), ("summary", README, study_summary)):
        begin, end = markers(named, action)
        stated = text.read_text(encoding="utf-8").partition(begin)[2].partition(end)[0]
        command = f"python -m studies {action} studies/cpu-2026 --write {text.relative_to(ROOT)}"
        assert stated.strip() == print_(elsewhere).strip(), f"run: {command}"


def test_tables_name_strategies_gains_and_verdicts(study: Study) -> None:
    text = study_tables(study)
    assert "| grid " in text
    assert "+2.10" in text
    assert "no τ in 4…8" in text or "τ ≈ 8" in text or "more trainings are needed" in text
    assert "level %" not in text


def test_the_summary_has_the_search_and_the_random_tau_over_the_control(study: Study) -> None:
    rows = [row for row in study_summary(study).splitlines() if "wide → narrow" in row]
    pairs = [tuple(cell.strip() for cell in row.split("|")[2:4]) for row in rows]
    assert pairs == [("grid", "stochastic"), ("grid", "fixed τ=4"), ("stochastic", "fixed τ=4")]


def test_what_stands_between_the_markers_is_renewed(study: Study, tmp_path: Path) -> None:
    text = tmp_path / "text.md"
    begin, end = markers(study, "tables")
    text.write_text(f"before\n{begin}old\n{end}after\n", encoding="utf-8")
    write_between(text, (begin, end), "new\n")
    assert text.read_text(encoding="utf-8") == f"before\n{begin}\nnew\n\n{end}after\n"

    text.write_text("no markers\n", encoding="utf-8")
    with pytest.raises(StorageError, match="begin"):
        write_between(text, (begin, end), "new\n")


def test_the_picture_has_a_row_for_each_way_and_its_cost(study: Study) -> None:
    judged = analysis.verdicts(analysis.compare(analysis.load(study.folder)))
    over_fixed = [verdict for verdict in judged if verdict.control.startswith("fixed")]
    (panel,) = gains_figure(over_fixed, 0.5).axes
    assert [label.get_text() for label in panel.get_yticklabels()] == [verdict.strategy for verdict in over_fixed]
    costs = [text.get_text() for text in panel.texts]
    assert len(costs) == len(over_fixed) + 1
