"""The class of each way of choosing τ."""

import pytest

from greenkd.records import StrategyKind
from greenkd.temperature import Grid, read_strategy, tau_class
from tests.campaigns import composed


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        (("fixed",), "fixed"),
        (("restarts",), "fixed"),
        (("transfer", "temperature.source=multirun/earlier"), "fixed"),  # given beforehand, whoever searched it
        (("grid",), "search"),
        (("halving",), "search"),
        (("optuna",), "search"),
        (("hyperband",), "search"),
        (("gp_per_kwh",), "search"),
        (("stochastic",), "random"),
        (("stochastic_per_sample",), "random"),
        (("fixed", "temperature.rule=per_sample_random"), "random"),
        (("schedule",), "scheduled"),
        (("lskd",), "adaptive"),
        (("ctkd",), "adaptive"),
        (("ats",), "adaptive"),
        (("lskd_grid",), "search + adaptive"),
        (("halving", "temperature.rule=dynamic"), "search + adaptive"),
        (("stochastic", "temperature.rule=standardised"), "random + adaptive"),
        (("schedule", "temperature.rule=dynamic"), "scheduled + adaptive"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_classes(strategy: tuple[str, ...], expected: str) -> None:
    config = composed(f"temperature={strategy[0]}", *strategy[1:])["temperature"]
    assert tau_class(read_strategy({key: value for key, value in config.items() if key != "name"})) == expected


def test_a_strategy_of_the_user_s_own_that_trains_several_is_a_search() -> None:
    class Own(Grid):
        kind = StrategyKind.CUSTOM

    assert tau_class(Own(taus=(2.0, 4.0))) == "search"
    assert tau_class(Own(taus=(2.0,))) == "fixed"
