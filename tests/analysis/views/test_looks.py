"""Looks that are taken are kept, and make the next one stricter."""

import json
from pathlib import Path

import pytest

import analysis
from analysis.cli import main
from analysis.frames.looks import FILE
from analysis.results.sequential_looks import nominal_level
from analysis.results.verdict import Verdict
from analysis.views.printing import print_comparison
from tests.analysis.plans import standard_plans
from tests.analysis.sweeps import write_sweep

TAUS = (2.0, 4.0, 8.0)


def first(folder: Path) -> Verdict:
    return analysis.verdicts(analysis.compare(analysis.load(folder)))[0]


def test_a_later_look_is_stricter_for_an_earlier_one(tmp_path: Path) -> None:
    write_sweep(tmp_path, taus=TAUS)
    print_comparison(tmp_path)
    assert (found := first(tmp_path)).looks == ()  # the same seeds again are no new look
    assert found.levels[0] == pytest.approx(nominal_level(3))

    write_sweep(tmp_path, standard_plans(seeds=(3, 4), taus=TAUS))
    found = first(tmp_path)
    assert found.looks == (3,)
    assert found.levels[0] == pytest.approx(nominal_level(5, [3]))
    assert found.levels[0] < nominal_level(5)
    assert "second look after 3 seeds" in found.sentence


def test_notebooks_look_without_a_record_and_the_command_line_leaves_one(tmp_path: Path) -> None:
    write_sweep(tmp_path, taus=TAUS)
    first(tmp_path)
    assert not (tmp_path / FILE).exists()

    assert main([str(tmp_path), "--margin", "0.2"]) == 0
    (grid_over_stochastic,) = [
        look
        for look in json.loads((tmp_path / FILE).read_text(encoding="utf-8"))["looks"]
        if (look["strategy"], look["control"]) == ("grid", "stochastic")
    ]
    assert grid_over_stochastic["seeds"] == [3]


def test_looks_lie_beside_each_sweep_wherever_files_go(tmp_path: Path) -> None:
    write_sweep(tmp_path / "a", taus=TAUS)
    write_sweep(tmp_path / "b", standard_plans(seeds=(5, 6), taus=TAUS))
    assert main([str(tmp_path), "--out", str(tmp_path / "out")]) == 0
    assert (tmp_path / "a" / FILE).exists()
    assert (tmp_path / "b" / FILE).exists()
    assert not (tmp_path / FILE).exists()
    assert not (tmp_path / "out" / FILE).exists()


def test_one_seed_is_no_look(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0,), taus=TAUS)
    print_comparison(tmp_path)
    assert not (tmp_path / FILE).exists()


def test_a_folder_that_cannot_be_written_is_noted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_sweep(tmp_path, taus=TAUS)
    (tmp_path / FILE).mkdir()
    assert main([str(tmp_path)]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "earlier looks are not known" in said
    assert "this look is not on record" in said


def test_a_damaged_file_is_noted_and_has_no_looks(tmp_path: Path) -> None:
    write_sweep(tmp_path, taus=TAUS)
    (tmp_path / FILE).write_text('{"looks": [{"setting_id": 1}]}')
    sweep = analysis.load(tmp_path)
    assert sweep.looks == {}
    assert any("earlier looks are not known" in problem.what for problem in sweep.problems)
