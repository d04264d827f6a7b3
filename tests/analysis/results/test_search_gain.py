"""The gain of a search: by hand where it can be, on generated sweeps where it cannot."""

import math

import numpy as np
import pytest
from scipy import stats

from analysis.results.search_gain import gain_of_search, paired_gain, search_value
from analysis.results.sequential_looks import nominal_level
from benchmarks.verdict import claims, judge, judge_bound
from benchmarks.verdict_generators import NORMAL, TAUS, Scenario, generate

GRID = np.tile(TAUS, (3, 1))


def test_moderated_t_by_hand() -> None:
    # Differences 1, 2, 3: mean 2, variance 1 with 2 degrees of freedom. Prior 4 worth 2: (2·4 + 2·1) / 4 = 2.5.
    found = paired_gain(np.array([1.0, 2.0, 3.0]), np.array(4.0), 2.0)
    assert float(found.value) == 2.0
    assert float(found.standard_error) == pytest.approx(math.sqrt(2.5 / 3))
    assert float(found.df) == 4
    low, high = found.interval(0.025)
    # t(4) at 97.5 % is 2.776445.
    assert float(low) == pytest.approx(2 - 2.776445 * math.sqrt(2.5 / 3), abs=1e-5)
    assert float(high) == pytest.approx(2 + 2.776445 * math.sqrt(2.5 / 3), abs=1e-5)
    assert float(found.p_above(0.5)) == pytest.approx(stats.t.sf(1.5 / math.sqrt(2.5 / 3), 4))
    assert float(found.p_below(0.5)) == pytest.approx(1 - float(found.p_above(0.5)))


def test_without_a_prior_it_is_the_paired_t_test() -> None:
    differences = np.array([0.3, -0.2, 0.9, 0.4])
    found = paired_gain(differences, np.array(1.0), 0.0)
    expected = stats.ttest_1samp(differences, 0.5, alternative="greater")
    assert float(found.p_above(0.5)) == pytest.approx(expected.pvalue)


def test_one_seed_has_no_interval() -> None:
    assert np.isnan(paired_gain(np.array([1.0]), np.array(1.0)).standard_error)


def test_a_clear_winner_gets_its_own_test_score() -> None:
    validation, test = np.full((3, 19), 90.0), np.full((3, 19), 85.0)
    validation += np.random.default_rng(0).normal(0, 0.01, (3, 19))
    validation[:, 6] += 5
    test[:, 6] += [1.0, 2.0, 3.0]
    found = search_value(validation, test, taus=GRID)
    assert found.value == pytest.approx([86, 87, 88], abs=1e-6)
    assert found.winner == pytest.approx([86, 87, 88])


def test_close_trials_share_the_weight() -> None:
    # Two trials tie at the top on validation; their test scores differ by 2, so the value is half-way.
    validation, test = np.full((2, 2), 90.0), np.tile([85.0, 87.0], (2, 1))
    assert search_value(validation, test, taus=None).value == pytest.approx([86, 86], abs=0.6)
    # The record says which of the two was chosen.
    found = search_value(validation, test, taus=None, chosen=np.array([0, 1]))
    assert found.winner == pytest.approx([85, 87])


def test_a_collapsed_trial_changes_nothing_but_the_noise() -> None:
    sweep = generate(NORMAL, np.random.default_rng(1), sweeps=1, seeds=3)
    validation, test = sweep.validation[0], sweep.test[0]
    before = search_value(validation, test, taus=GRID)
    worst = int(validation[0].argmin())
    validation[0, worst] -= 30
    test[0, worst] -= 30
    after = search_value(validation, test, taus=GRID)
    assert after.value == pytest.approx(before.value, abs=0.05)
    assert after.training_variance > 10 * before.training_variance


def test_where_the_grid_collapses_no_small_variance_is_believed() -> None:
    sweep = generate(NORMAL, np.random.default_rng(9), sweeps=1, seeds=3)
    other, _ = sweep.other_at(0.0)
    validation, test = sweep.validation[0], sweep.test[0]
    worst = int(validation[0].argmin())
    validation[0, worst] -= 30
    test[0, worst] -= 30
    found = gain_of_search(search_value(validation, test, taus=GRID), other[0])
    assert float(found.standard_error) >= math.sqrt(float(found.prior_variance) / 3) - 1e-9


def test_a_missing_trial_is_no_obstacle() -> None:
    sweep = generate(NORMAL, np.random.default_rng(2), sweeps=1, seeds=3)
    validation, test = sweep.validation[0], sweep.test[0]
    before = search_value(validation, test, taus=GRID)
    worst = int(validation[1].argmin())
    validation[1, worst] = test[1, worst] = np.nan
    after = search_value(validation, test, taus=GRID)
    assert after.value == pytest.approx(before.value, abs=0.05)
    assert after.training_variance == pytest.approx(before.training_variance, rel=0.2)


def test_many_sweeps_are_judged_as_one_by_one() -> None:
    sweeps = generate(NORMAL, np.random.default_rng(3), sweeps=4, seeds=3)
    other, _ = sweeps.other_at(0.0)
    together = gain_of_search(search_value(sweeps.validation, sweeps.test, taus=GRID), other)
    for number in range(4):
        search = search_value(sweeps.validation[number], sweeps.test[number], taus=GRID)
        alone = gain_of_search(search, other[number])
        assert float(alone.value) == pytest.approx(together.value[number])
        assert float(alone.standard_error) == pytest.approx(together.standard_error[number])


def test_further_seeds_help_where_seeds_are_alike() -> None:
    alike = generate(Scenario(name="alike", seed_sd=0.0), np.random.default_rng(4), sweeps=200, seeds=3, further=12)
    other, further = alike.other_at(0.0)
    search = search_value(alike.validation, alike.test, taus=GRID)
    paired, more = gain_of_search(search, other), gain_of_search(search, other, further)
    assert more.value.std() < 0.8 * paired.value.std()
    assert np.median(more.standard_error) < 0.85 * np.median(paired.standard_error)


def test_further_seeds_count_little_where_seeds_differ() -> None:
    apart = generate(Scenario(name="apart", seed_sd=10.0), np.random.default_rng(5), sweeps=50, seeds=3, further=12)
    other, further = apart.other_at(0.0)
    search = search_value(apart.validation, apart.test, taus=GRID)
    paired, more = gain_of_search(search, other), gain_of_search(search, other, further)
    assert np.median(np.abs(more.value - paired.value)) < 0.1


def test_a_search_without_a_common_grid_is_judged_too() -> None:
    random = np.random.default_rng(6)
    taus = random.uniform(2, 20, (3, 15))
    quality = 90 + random.normal(0, 0.2, (3, 15))
    validation, test = quality + random.normal(0, 0.3, (3, 15)), quality + random.normal(0, 0.2, (3, 15))
    found = gain_of_search(search_value(validation, test, taus=taus), np.array([88.0, 88.1, 87.9]))
    low, high = found.interval(0.025)
    assert low < 2.2 < high


def test_the_value_is_unbiased_where_the_response_has_a_peak() -> None:
    peak = Scenario(name="peak", shape="peak", height=1.2)
    sweeps = generate(peak, np.random.default_rng(7), sweeps=1_500, seeds=3)
    other, _ = sweeps.other_at(0.3)
    found = gain_of_search(search_value(sweeps.validation, sweeps.test, taus=GRID), other).value
    assert found.mean() == pytest.approx(0.3, abs=4 * found.std() / math.sqrt(1_500))


@pytest.mark.parametrize("name", ["normal", "t3", "skewed"])
def test_at_the_margin_claims_are_rare(name: str) -> None:
    sweeps = generate(Scenario(name=name, noise=name), np.random.default_rng(8), sweeps=600, seeds=3)
    other, _ = sweeps.other_at(0.5)
    found = claims(gain_of_search(search_value(sweeps.validation, sweeps.test, taus=GRID), other), nominal_level(3))
    # Each claim has a chance of 1.9 % at most; 5 % of 600 would be seen once in a million.
    assert max(found.worth, found.not_worth) < 5


def test_a_cell_of_the_benchmark() -> None:
    cell = judge(NORMAL, seeds=3, further=12, sweeps=200)
    assert cell.over_other[0.0].decided > 35
    assert cell.over_other[1.2].worth > 70
    assert cell.false < 5
    bound = judge_bound(NORMAL, seeds=3, sweeps=200)
    assert bound.close > 65
    assert bound.wrong < 3
