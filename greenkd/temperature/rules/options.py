"""The shipped rules by name, and what a configuration may say at `temperature.rule`."""

import difflib
from collections.abc import Mapping
from typing import Any

from greenkd.errors import ConfigError
from greenkd.temperature.rules.base import Rule
from greenkd.temperature.rules.dynamic import Dynamic
from greenkd.temperature.rules.learned import Learned
from greenkd.temperature.rules.loss_gap import LossGap
from greenkd.temperature.rules.per_class import PerClass
from greenkd.temperature.rules.per_sample_random import PerSampleRandom
from greenkd.temperature.rules.shared import Shared
from greenkd.temperature.rules.standardised import Standardised

RULES: dict[str, type[Rule]] = {
    "shared": Shared,
    "standardised": Standardised,
    "dynamic": Dynamic,
    "learned": Learned,
    "per_class": PerClass,
    "per_sample_random": PerSampleRandom,
    "loss_gap": LossGap,
}


def rule_component(value: object, where: str = "temperature.rule") -> dict[str, Any]:
    """Turns what stands at `temperature.rule` into `_target_` and arguments.

    Args:
        value: The name of a shipped rule; a mapping with such a `name` and settings of that rule; or a mapping with a
            `_target_`, for a rule of the user's own.
        where: The key, for messages.

    Raises:
        ConfigError: It names no rule.
    """
    if isinstance(value, Mapping):
        settings = {str(key): item for key, item in value.items() if key != "name"}
        if "_target_" in settings:
            return settings
        name, key = value.get("name"), f"{where}.name"
    else:
        name, settings, key = value, {}, where

    if not isinstance(name, str) or name not in RULES:
        near = difflib.get_close_matches(str(name), RULES, n=1)
        hint = f"; did you mean {near[0]}?" if near else "."
        raise ConfigError(
            f"{key}={name!r} is no rule{hint} Allowed: {', '.join(RULES)}; with settings "
            f"'{where}={{name: standardised, base: 2}}', for one of your own '{where}={{_target_: my_package.MyRule}}'"
        )
    return {"_target_": f"{RULES[name].__module__}.{RULES[name].__name__}", **settings}
