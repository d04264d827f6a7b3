"""The verdict against planted truths."""

from pathlib import Path

import pytest

import analysis
from analysis.results.verdict import Verdict
from analysis.results.verdict_words import CANNOT_TELL, NO_BETTER, NOT_WORTH, WORTH
from benchmarks.verdict import judge
from greenkd.records import StrategyKind
from tests.analysis.sweeps import Plan, Trial, write_sweep


def planted(tmp_path: Path, gains: list[float]) -> list[Verdict]:
    """Grid over stochastic, with the given gain in points at each seed."""
    plans = []
    for seed, gain in enumerate(gains):
        grid = [Trial(tau=tau, val_score=0.8 + tau / 100, test_score=0.8 + gain / 100) for tau in (5.0, 6.0)]
        one = [Trial(tau=None, val_score=0.8, test_score=0.8)]
        plans.append(Plan(strategy="grid", kind=StrategyKind.GRID, seed=seed, trials=grid))
        plans.append(Plan(strategy="stochastic", kind=StrategyKind.STOCHASTIC, seed=seed, trials=one))
    write_sweep(tmp_path, plans)
    return analysis.verdicts(analysis.compare(analysis.load(tmp_path)))


def over_stochastic(found: list[Verdict]) -> Verdict:
    return next(verdict for verdict in found if verdict.control == "stochastic")


def test_a_large_gain_is_worth_it_and_costs_so_much_per_point(tmp_path: Path) -> None:
    found = over_stochastic(planted(tmp_path, [2.9, 3.0, 3.1, 3.0, 3.0]))
    assert found.decision == WORTH
    one = 39.6 * 100 / 3.6e6
    assert found.extra_kwh == pytest.approx(one)
    assert found.kwh_per_point == pytest.approx(one / 3)
    assert found.cost_multiple == pytest.approx(2)
    assert "is worth it: +3.00 points" in found.sentence


def test_a_gain_surely_below_the_margin_is_not(tmp_path: Path) -> None:
    found = over_stochastic(planted(tmp_path, [0.1, -0.1, 0.05, 0.0, -0.05]))
    assert found.decision == NOT_WORTH
    assert "not worth it" in found.sentence


def test_noise_cannot_tell_and_says_how_many_seeds_would(tmp_path: Path) -> None:
    found = over_stochastic(planted(tmp_path, [2.0, -1.0, 1.5]))
    assert found.decision == CANNOT_TELL
    assert found.more_seeds is not None
    assert "more" in found.sentence


def test_of_two_that_cost_the_same_none_is_worth_more_energy(tmp_path: Path) -> None:
    plans = []
    for seed, gain in enumerate([0.0, 0.1, -0.1, 0.05, 0.0]):
        for strategy, kind, test in (
            ("stochastic", StrategyKind.STOCHASTIC, 0.8 + gain / 100),
            ("fixed", StrategyKind.FIXED, 0.8),
        ):
            plans.append(Plan(strategy=strategy, kind=kind, seed=seed, trials=[Trial(test_score=test)]))
    write_sweep(tmp_path, plans)
    (found,) = analysis.verdicts(analysis.compare(analysis.load(tmp_path)))
    assert found.decision == NO_BETTER
    assert "stochastic over fixed τ=4 is no better" in found.sentence


def test_one_seed_says_so(tmp_path: Path) -> None:
    assert "cannot tell from one seed" in over_stochastic(planted(tmp_path, [2.0])).sentence


def test_more_comparisons_make_the_same_evidence_weaker(tmp_path: Path) -> None:
    found = planted(tmp_path, [1.0, 2.0, 1.8, 2.2])
    assert len(found) == 3
    assert over_stochastic(found).p_worth > over_stochastic(found).paired.p_above


def test_no_false_claims_on_a_handful_of_generated_sweeps() -> None:
    # The full 200 sweeps per truth are `python -m benchmarks.verdict`; four wrong of eight at 5 % is one run in 3,000.
    decisions, false_worth, _, _ = judge(gain=0.0, sweeps=8, seeds=4)
    assert false_worth < 4
    assert decisions[WORTH] == 0
    decisions, *_ = judge(gain=3.0, sweeps=3, seeds=5)
    assert decisions[WORTH] >= 2
