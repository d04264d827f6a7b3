"""From the configuration group `temperature` to a strategy, its rule and schedule tried before anything is trained."""

from collections.abc import Mapping
from typing import Any

from greenkd.components import build
from greenkd.temperature.rules import rule_component, try_rule
from greenkd.temperature.rules.shared import Shared
from greenkd.temperature.schedule_tryout import try_schedule
from greenkd.temperature.strategies import Strategy
from greenkd.temperature.transfer import Transfer


def read_strategy(config: Mapping[str, Any]) -> Strategy:
    """Builds the strategy that a configuration chooses.

    Args:
        config: The group `temperature`: `_target_`, the strategy's settings, `rule`; without the option's `name`.

    Raises:
        ConfigError: A setting is unknown, missing or refused, or rule or schedule do not keep to their
            contract on a tiny batch.
    """
    settings = dict(config)
    rule = rule_component(settings.pop("rule", "shared"))

    # `shared` is every strategy's own default; one that knows nothing of rules is not asked to take it.
    if rule != {"_target_": f"{Shared.__module__}.Shared"}:
        settings["rule"] = rule
    strategy = build(settings, where="temperature", expect=Strategy)  # type: ignore[type-abstract]

    if not strategy.shares_tau:
        try_rule(strategy.rule, strategy.tau_range())
    if not isinstance(strategy, Transfer):  # its τ is not known before the records of another search are read
        try_schedule(strategy)
    return strategy
