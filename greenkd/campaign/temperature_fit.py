"""Whether a campaign's strategy, rule and objective go together: asked before anything is trained."""

from greenkd.errors import ConfigError, NoTemperatureError
from greenkd.objectives import Objective
from greenkd.temperature import Strategy


def check_fit(
    strategy: Strategy, objective: Objective, seed: int, epochs: int, strategy_name: str, objective_name: str
) -> None:
    """Refuses a search that would train the same thing again and again, rungs that do not fit, a rule that cannot act.

    Args:
        strategy: Built from the configuration.
        objective: Built from the configuration, not set up.
        seed: The campaign's.
        epochs: Of a whole training.
        strategy_name: The strategy's option, for messages.
        objective_name: The objective's option, for messages.

    Raises:
        NoTemperatureError: The temperature has no effect on the objective, and a search or a rule is about it.
        ConfigError: The objective takes no rule, the rule takes no notice of what is searched, or no rung is left.
    """
    if not objective.uses_temperature and _repeats_a_seed(strategy, seed):
        again = f"objective={objective_name} has no temperature, so {strategy_name} would train the same thing"
        if strategy.search:
            raise NoTemperatureError(f"{again} for every τ; take temperature=grid temperature.taus=[4]")
        raise NoTemperatureError(f"{again} {strategy.planned_trials()} times; take temperature=fixed")

    try:
        strategy.rungs(epochs)
    except ValueError as error:
        raise ConfigError(f"temperature.{error}") from error

    if not strategy.shares_tau:
        _check_rule(strategy, objective, seed, strategy_name, objective_name)


def _repeats_a_seed(strategy: Strategy, seed: int) -> bool:
    """Tells whether some trials differ in τ alone: they have the seed and the searched settings in common."""
    others = {
        (strategy.trial_seed(seed, params), *(item for item in sorted(params.items()) if "." in item[0]))
        for params in strategy.queue()
    }
    return strategy.planned_trials() > max(len(others), 1)


def _check_rule(strategy: Strategy, objective: Objective, seed: int, strategy_name: str, objective_name: str) -> None:
    rule = type(strategy.rule).__name__
    if objective.refuses_rules is not None:
        error = ConfigError if objective.uses_temperature else NoTemperatureError
        raise error(
            f"objective={objective_name} takes no rule, here {rule}: {objective.refuses_rules}; "
            "take temperature=fixed with temperature.rule=shared"
        )

    if not strategy.rule.ignores_base_tau:
        return
    if objective.taus is not None:
        raise ConfigError(
            f"temperature.rule ({rule}) sets τ itself, so objective.taus would add up the same term "
            f"{len(objective.taus)} times; take objective.taus=[]"
        )
    if _repeats_a_seed(strategy, seed):
        raise ConfigError(
            f"temperature.rule ({rule}) sets τ itself, so {strategy_name} would train the same thing "
            f"{strategy.planned_trials()} times; take temperature=fixed or temperature=stochastic"
        )
