"""The verdict against planted truths."""

from pathlib import Path

import numpy as np
import pytest

import analysis
from analysis.results.search_gain import gain_of_search, paired_gain, search_value
from analysis.results.sequential_looks import nominal_level, seeds_to_decide
from analysis.results.verdict import Verdict
from analysis.results.verdict_words import CANNOT_TELL, EQUAL, NO_BETTER, NOT_WORTH, WORTH
from greenkd.records import StrategyKind
from tests.analysis.plans import fixed, grid, stochastic
from tests.analysis.results.planted_sweeps import judge
from tests.analysis.sweeps import Plan, Trial, write_sweep


def planted(tmp_path: Path, gains: list[float]) -> list[Verdict]:
    """Grid over stochastic, with the given gain in points at each seed."""
    plans = []
    for seed, gain in enumerate(gains):
        grid = [Trial(tau=tau, val_score=0.8 + tau / 100, test_score=0.8 + gain / 100) for tau in (4.0, 6.0)]
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
    assert found.high > 3
    assert found.kwh_per_point == pytest.approx(one / found.high)  # at least: over the interval's upper end
    assert found.cost_multiple == pytest.approx(2)
    assert "from 2 values (grid) took 1 more training per seed than stochastic (" in found.sentence
    assert "and changed test accuracy by +3.0" in found.sentence
    assert found.sentence.endswith("the margin you set is 0.5: worth it.")


def test_a_gain_surely_below_the_margin_is_not(tmp_path: Path) -> None:
    found = over_stochastic(planted(tmp_path, [0.1, -0.1, 0.05, 0.0, -0.05]))
    assert found.decision == NOT_WORTH
    assert "not worth it" in found.sentence


def test_noise_cannot_tell_and_says_how_many_seeds_would(tmp_path: Path) -> None:
    found = over_stochastic(planted(tmp_path, [2.0, -1.0, 1.5]))
    assert found.decision == CANNOT_TELL
    assert found.seed_range is not None
    assert found.sentence.endswith(f"cannot tell; {found.seed_range.sentence}.")


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
    assert "stochastic in place of fixed τ=4" in found.sentence
    assert found.sentence.endswith("the margin you set is 0.5: no better.")


def test_one_seed_says_so(tmp_path: Path) -> None:
    assert "cannot tell from one seed" in over_stochastic(planted(tmp_path, [2.0])).sentence


def test_the_first_verdict_has_the_level_alone_and_the_others_share_one(tmp_path: Path) -> None:
    first, *others = planted(tmp_path, [1.0, 2.0, 1.8, 2.2])
    assert (first.strategy, first.control, first.primary) == ("grid", "stochastic", True)
    assert first.levels == pytest.approx((nominal_level(4), nominal_level(4)))

    assert [verdict.primary for verdict in others] == [False, False]
    assert min(level for verdict in others for level in verdict.levels) == pytest.approx(nominal_level(4) / 2)
    assert "kd (secondary): " in others[0].sentence


def test_more_seeds_of_a_secondary_verdict_are_those_of_its_level(tmp_path: Path) -> None:
    found = planted(tmp_path, [1.0, 2.0, 0.2, 2.2])
    undecided = [verdict for verdict in found if verdict.seed_range is not None]
    assert {verdict.primary for verdict in undecided} == {True, False}
    for verdict in undecided:
        distance = float(verdict.gain.value) - 0.5
        level = verdict.levels[0] if distance > 0 else verdict.levels[1]
        expected = seeds_to_decide(distance, float(verdict.gain.standard_error), 4, share=level / nominal_level(4))
        assert verdict.seed_range == expected


def test_the_gain_is_that_of_all_trials_worked_out_from_their_arrays(tmp_path: Path) -> None:
    # The grid's trials come in another order in each seed: the columns are those of τ.
    random = np.random.default_rng(3)
    taus = np.array([2.0, 4.0, 8.0, 12.0, 16.0])
    validation, test = 80 + random.normal(0, 0.5, (3, 5)), 80 + random.normal(0, 0.5, (3, 5))
    plans = []
    for seed in range(3):
        order = random.permutation(5)
        trials = [
            Trial(tau=taus[k], val_score=validation[seed, k] / 100, test_score=test[seed, k] / 100) for k in order
        ]
        plans.append(Plan(strategy="grid", kind=StrategyKind.GRID, seed=seed, trials=trials))
        plans.append(stochastic(seed))
    plans += [stochastic(seed) for seed in (3, 4)]

    write_sweep(tmp_path, plans)
    over_other, over_fixed, _ = analysis.verdicts(analysis.compare(analysis.load(tmp_path)))

    search = search_value(validation, test, taus=np.tile(taus, (3, 1)))
    expected = gain_of_search(search, np.full(3, 90.0), np.full(2, 90.0))
    assert over_other.gain.further_seeds == 2
    assert over_other.gain.value == pytest.approx(float(expected.value))
    assert over_other.gain.standard_error == pytest.approx(float(expected.standard_error))
    assert "3 seeds and 2 of stochastic alone" in over_other.sentence

    # The fixed row is the grid's own trial at τ = 4.
    from_grid = gain_of_search(search, test[:, 1])
    assert over_fixed.gain.value == pytest.approx(float(from_grid.value))
    assert over_fixed.gain.further_seeds == 0


def test_cheap_strategies_are_judged_with_the_noise_of_the_grid(tmp_path: Path) -> None:
    random = np.random.default_rng(4)
    validation, test = 80 + random.normal(0, 0.5, (3, 3)), 80 + random.normal(0, 0.5, (3, 3))
    plans = []
    for seed in range(3):
        pairs = zip((2.0, 4.0, 8.0), validation[seed] / 100, test[seed] / 100, strict=True)
        trials = [Trial(tau=tau, val_score=val, test_score=score) for tau, val, score in pairs]
        plans += [Plan(strategy="grid", kind=StrategyKind.GRID, seed=seed, trials=trials), stochastic(seed)]
    write_sweep(tmp_path, plans)
    *_, cheap = analysis.verdicts(analysis.compare(analysis.load(tmp_path)))

    noise = search_value(validation, test, taus=np.tile([2.0, 4.0, 8.0], (3, 1)))
    expected = paired_gain(90 - test[:, 1], 2 * noise.training_variance, noise.prior_df)
    assert cheap.gain.standard_error == pytest.approx(float(expected.standard_error))
    assert cheap.gain.df == pytest.approx(float(expected.df))


def test_restarts_are_said_to_choose_a_training_and_no_tau(tmp_path: Path) -> None:
    trials = [Trial(tau=4.0, val_score=0.8 + k / 100, test_score=0.8 + k / 100) for k in range(3)]
    plans = []
    for seed in (0, 1):
        plans += [stochastic(seed), Plan(strategy="restarts", kind=StrategyKind.RESTARTS, seed=seed, trials=trials)]
    write_sweep(tmp_path, plans)
    found = over_stochastic(analysis.verdicts(analysis.compare(analysis.load(tmp_path))))
    assert "choosing the best of 3 trainings at one τ (restarts) took 2 more trainings per seed" in found.sentence


def test_a_grid_over_restarts_says_what_tau_adds_to_the_best_of_as_many(tmp_path: Path) -> None:
    # Restarts gain as much by luck as the grid does; τ adds nothing to that.
    random = np.random.default_rng(8)
    validation, test = 90 + random.normal(0, 0.3, (2, 5, 6)), 90 + random.normal(0, 0.1, (2, 5, 6))
    taus, kinds = (2.0, 4.0, 6.0, 8.0, 10.0, 12.0), (StrategyKind.GRID, StrategyKind.RESTARTS)
    plans = [stochastic(seed) for seed in range(5)]
    for number, kind in enumerate(kinds):
        for seed in range(5):
            scores = zip(validation[number, seed] / 100, test[number, seed] / 100, taus, strict=True)
            trials = [
                Trial(tau=tau if kind == "grid" else 4.0, val_score=val, test_score=score) for val, score, tau in scores
            ]
            plans.append(Plan(strategy=kind.value, kind=kind, seed=seed, trials=trials))
    write_sweep(tmp_path, plans)

    found = analysis.verdicts(analysis.compare(analysis.load(tmp_path)))
    assert (found[0].strategy, found[0].control) == ("grid", "stochastic")
    over_restarts = next(verdict for verdict in found if verdict.control == "restarts")
    assert over_restarts.strategy == "grid"
    assert over_restarts.decision == NO_BETTER
    assert "choosing τ from 6 values (grid) in place of choosing the best of 6 trainings at one τ (restarts)" in (
        over_restarts.sentence
    )

    # Both are searches, with the noise of both.
    grid_value = search_value(validation[0], test[0], taus=np.tile(taus, (5, 1)))
    restarts_value = search_value(validation[1], test[1], taus=None)
    expected = paired_gain(
        grid_value.value - restarts_value.value, grid_value.variance + restarts_value.variance, grid_value.prior_df
    )
    assert over_restarts.gain.value == pytest.approx(float(expected.value))
    assert over_restarts.gain.prior_variance == pytest.approx(float(expected.prior_variance))


def test_what_is_equal_in_every_training_is_not_unknown(tmp_path: Path) -> None:
    plans = [grid(seed, Trial(tau=2.0), Trial(tau=4.0)) for seed in (0, 1)]
    one = [Trial(tau=None, val_score=0.9, test_score=0.9)]
    plans += [Plan(strategy="stochastic", kind=StrategyKind.STOCHASTIC, seed=seed, trials=one) for seed in (0, 1)]
    write_sweep(tmp_path, plans)
    found = analysis.verdicts(analysis.compare(analysis.load(tmp_path)))
    assert {verdict.decision for verdict in found} == {EQUAL}
    assert "no test accuracy at all: every training of 2 seeds is equal." in found[0].sentence


def test_one_training_that_differs_makes_seeds_that_agree_unequal(tmp_path: Path) -> None:
    plans = [grid(seed, Trial(tau=2.0, val_score=0.8, test_score=0.8), Trial(tau=4.0)) for seed in (0, 1)]
    one = [Trial(tau=None, val_score=0.9, test_score=0.9)]
    plans += [Plan(strategy="stochastic", kind=StrategyKind.STOCHASTIC, seed=seed, trials=one) for seed in (0, 1)]
    write_sweep(tmp_path, plans)
    assert over_stochastic(analysis.verdicts(analysis.compare(analysis.load(tmp_path)))).decision != EQUAL


def test_seeds_that_agree_by_chance_decide_nothing(tmp_path: Path) -> None:
    # One tested trial each, no grid: two equal differences are no proof, sign flips give 1/4 at best.
    plans = []
    for seed in (0, 1):
        plans += [stochastic(seed), fixed(seed, 4.0, test=0.8)]
    write_sweep(tmp_path, plans)
    (found,) = analysis.verdicts(analysis.compare(analysis.load(tmp_path)))
    assert found.decision == CANNOT_TELL
    assert "+10.00 points in each of 2 seeds" in found.sentence


def test_no_false_claims_on_a_handful_of_generated_sweeps() -> None:
    # Four wrong of eight at 5 % is one run in 3,000.
    decisions, false_worth, _, _ = judge(gain=0.0, sweeps=8, seeds=4)
    assert false_worth < 4
    assert decisions[WORTH] == 0
    decisions, *_ = judge(gain=3.0, sweeps=3, seeds=5)
    assert decisions[WORTH] >= 2
