import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from greenkd.energy.apportion import shares

weights = st.lists(st.floats(min_value=0, max_value=1e12, allow_subnormal=False), min_size=1, max_size=40)


@given(total=st.floats(min_value=0, max_value=1e9), weights=weights)
def test_shares_sum_exactly_to_the_whole_in_any_order(total: float, weights: list[float]) -> None:
    parts = shares(total, weights)
    assert len(parts) == len(weights)
    assert min(parts) >= 0
    assert sum(parts) == total
    assert sum(reversed(parts)) == total


@given(weights=weights)
def test_shares_follow_the_weights(weights: list[float]) -> None:
    parts = shares(1.0, weights)
    whole = math.fsum(weights)
    expected = [weight / whole if whole else 1 / len(weights) for weight in weights]
    assert parts == pytest.approx(expected, abs=1e-12)


def test_nothing_used_is_divided_equally() -> None:
    assert shares(6.0, [0.0, 0.0, 0.0]) == [2.0, 2.0, 2.0]
