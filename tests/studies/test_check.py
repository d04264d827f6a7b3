from pathlib import Path

import pytest

import analysis
from analysis.results.comparison import Comparison
from studies.check import report
from tests.analysis.plans import fixed, stochastic
from tests.analysis.sweeps import write_sweep

SCORES = (0.900, 0.905, 0.895, 0.903, 0.897)


def comparison(root: Path, shift: float = 0.0, seeds: int = 5) -> Comparison:
    plans = [fixed(seed, 4.0, test=SCORES[seed] + shift) for seed in range(seeds)]
    plans += [stochastic(seed) for seed in range(seeds)]
    return analysis.compare(analysis.load(write_sweep(root, plans)))


def test_the_same_scores_hold(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published = comparison(tmp_path / "published")
    assert report(published, comparison(tmp_path / "now", seeds=3), 0.5) == 0
    assert capsys.readouterr().out.count("holds") == 4


def test_scores_that_fell_do_not(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published = comparison(tmp_path / "published")
    assert report(published, comparison(tmp_path / "now", shift=-0.1, seeds=3), 0.5) == 1
    assert "FAILS  digits, kd, fixed" in capsys.readouterr().out


def test_another_setting_holds_nothing(tmp_path: Path) -> None:
    published = comparison(tmp_path / "published")
    other = [fixed(seed, 4.0, setting_id="another") for seed in range(3)]
    now = analysis.compare(analysis.load(write_sweep(tmp_path / "now", other)))
    assert report(published, now, 0.5) == 1


def test_another_count_of_flops_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    published, now = comparison(tmp_path / "published"), comparison(tmp_path / "now", seeds=3)
    now.runs["tuning_flops"] *= 1.01
    assert report(published, now, 0.5) == 1
    assert "FAILS  digits, kd, stochastic, GFLOP" in capsys.readouterr().out
