import numpy as np
import pytest
from scipy import stats

from analysis.results.paired_tests import paired, ratio_interval


@pytest.mark.parametrize("seeds", [4, 9, 18])
def test_p_values_are_those_of_scipy(seeds: int) -> None:
    values = np.round(np.random.default_rng(seeds).normal(0.3, 1.0, seeds), 1)  # rounded: sums tie

    expected = stats.permutation_test(
        (values,),
        np.mean,
        permutation_type="samples",
        n_resamples=np.inf if seeds <= 16 else 99_999,
        alternative="two-sided",
        rng=np.random.default_rng(0),
    )
    assert paired(values, 0.5).p_permutation == expected.pvalue


def test_the_ratio_is_resampled_in_pairs() -> None:
    values = np.random.default_rng(0).uniform(1, 2, (7, 2))
    drawn = values[np.random.default_rng(0).integers(7, size=(10_000, 7))].sum(axis=1)

    expected = np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975))
    assert ratio_interval([tuple(pair) for pair in values]) == pytest.approx(tuple(expected), rel=1e-12)
