"""The report's first sentence says what choosing τ cost and gained."""

from pathlib import Path

import pytest

import analysis
from analysis.results.standings import standings
from analysis.views.headline import NOTHING_YET, headline
from tests.analysis.plans import Plan, Trial, fixed, grid, standard_plans
from tests.analysis.sweeps import write_sweep

PRECISE = {"taus": (2.0, 4.0, 8.0), "seeds": (0, 1, 2, 3, 4), "noise": 0.0005, "seed_noise": 0.001}


def said(root: Path) -> str:
    comparison = analysis.compare(analysis.load(root))
    return headline(standings(comparison, analysis.verdicts(comparison)))


@pytest.mark.parametrize(
    ("top", "end"),
    [
        (0.95, "and gained more than 0.5 points of test accuracy (between +"),
        (0.90, "and gained less than 0.5 points of test accuracy (between −"),
    ],
)
def test_a_decision_is_said_with_cost_and_gain(tmp_path: Path, top: float, end: str) -> None:
    write_sweep(tmp_path, standard_plans(grid=lambda tau: top if tau == 8 else 0.9, **PRECISE))
    text = said(tmp_path)
    assert text.startswith("Choosing τ from 3 values (grid) cost 3 times the energy of fixed τ=4 " + end)
    assert text.endswith(": worth it." if top > 0.9 else ": not worth it.")


def test_one_seed_cannot_tell(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0,), taus=(2.0, 4.0))
    assert "; one seed cannot tell what it gained (" in said(tmp_path)


def test_equal_scores_are_no_doubt(tmp_path: Path) -> None:
    write_sweep(
        tmp_path, [plan for seed in (0, 1) for plan in (grid(seed, Trial(tau=2), Trial(tau=4)), fixed(seed, 4))]
    )
    assert said(tmp_path).endswith("and changed nothing: every training has the score of fixed τ=4.")


def test_several_settings_are_counted(tmp_path: Path) -> None:
    plans: list[Plan] = []
    for setting_id, top in (("a", 0.95), ("b", 0.9), ("c", 0.9)):
        plans += standard_plans(
            grid=lambda tau, top=top: top if tau == 8 else 0.9, setting_id=setting_id, objective=setting_id, **PRECISE
        )
    write_sweep(tmp_path, plans)
    assert said(tmp_path) == "Choosing τ was worth its cost in 1 of 3 settings and not worth it in 2."


def test_what_is_missing_for_an_answer_is_said(tmp_path: Path) -> None:
    write_sweep(tmp_path, [fixed(0, 4.0)])
    assert said(tmp_path) == NOTHING_YET
