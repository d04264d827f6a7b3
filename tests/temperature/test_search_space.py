import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from greenkd.components import build
from greenkd.errors import ConfigError
from greenkd.temperature import Strategy
from greenkd.temperature.search_space import read_search_space


def strategy(kind: str, **config: object) -> Strategy:
    return build({"_target_": f"greenkd.temperature.{kind}", **config}, where="temperature", expect=Strategy)


@pytest.mark.parametrize(
    ("notation", "distribution"),
    [
        ([0.5, 0.9], CategoricalDistribution((0.5, 0.9))),
        (["linear", "cosine"], CategoricalDistribution(("linear", "cosine"))),
        ([True, False], CategoricalDistribution((True, False))),
        ("0.5,0.9", CategoricalDistribution((0.5, 0.9))),
        ("choice(a, b)", CategoricalDistribution(("a", "b"))),
        ("range(1, 5)", IntDistribution(1, 4)),
        ("range(0, 9, 4)", IntDistribution(0, 8, step=4)),
        ("interval(0.5, 0.99)", FloatDistribution(0.5, 0.99)),
        ("log(0.01, 0.2)", FloatDistribution(0.01, 0.2, log=True)),
        ("tag(log, interval(0.01, 0.2))", FloatDistribution(0.01, 0.2, log=True)),
    ],
)
def test_the_notation_is_that_of_hydras_sweeps(notation: object, distribution: object) -> None:
    assert read_search_space({"objective.alpha": notation})["objective.alpha"].distribution() == distribution


@pytest.mark.parametrize(
    ("notation", "words"),
    [
        (0.5, "is nothing to search; give a list"),
        ([], "is nothing to search; give a list"),
        ([1, 1.0], "lists 1, 1.0 more than once"),
        ([None, 1], "None cannot be searched"),
        ([[1], [2]], "cannot be searched"),
        ("lgo(1, 2)", "Unknown function 'lgo'"),
        ("interval(2, 1)", "smaller than the second"),
        ("log(0, 1)", "begins above 0"),
        ("range(0.5, 0.9)", "interval(low, high)"),
        ("range(3, 4)", "fewer than two numbers"),
        ("cosine", "is nothing to search"),
    ],
)
def test_what_is_no_search_is_answered_with_the_notation(notation: object, words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_search_space({"objective.alpha": notation})
    assert str(refused.value).startswith("temperature.search.objective.alpha")
    assert words in str(refused.value)


def test_a_grid_has_a_trial_for_every_combination() -> None:
    grid = strategy("Grid", taus=[2, 4], search={"training.lr": [0.1, 0.2, 0.3], "objective.alpha": [0.5, 0.9]})
    combinations = {tuple(params.values()) for params in grid.queue()}
    assert combinations == {(tau, alpha, lr) for tau in (2, 4) for alpha in (0.5, 0.9) for lr in (0.1, 0.2, 0.3)}
    assert grid.planned_trials() == 12
    assert sorted(grid.trial_order(3)) == list(range(12))


@pytest.mark.parametrize("sampler", ["cmaes", "qmc"])
def test_samplers_of_numbers_refuse_lists(sampler: str) -> None:
    with pytest.raises(ConfigError, match="searches numbers only"):
        strategy("OptunaSearch", sampler=sampler, search={"objective.alpha": [0.5, 0.9]})

    # With a second number CMA-ES needs no padding.
    space = strategy("OptunaSearch", sampler=sampler, search={"objective.alpha": "interval(0.5, 0.9)"}).space()
    assert space.keys() == {"tau", "objective.alpha"}
