"""Settings that a search tries besides τ: which may be searched, and the settings of a single trial.

A trial's values reach its objective, its recipe and its rule. Data, teacher, the teacher's logits and the student's
architecture are those of the campaign: trials share them.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from greenkd.campaign.settings import Settings
from greenkd.campaign.temperature_fit import check_fit
from greenkd.components import ComponentConfig, check_keys, read
from greenkd.errors import ConfigError
from greenkd.identity import flatten
from greenkd.objectives import Objective
from greenkd.temperature import Params, Strategy, read_strategy
from greenkd.temperature.search_space import Value
from greenkd.training.recipe import Recipe

_RECIPE = ("lr", "momentum", "nesterov", "weight_decay", "warmup_epochs", "lr_schedule", "gamma")
_RULE = "temperature.rule."

# Why settings that exist are not searched, by the beginning of their keys; the first that fits.
_SHARED = "which all trials of a campaign share; give the values to -m: {key}=…,…"
_REASONS = {
    "dataset.": f"it changes the data, {_SHARED}",
    "transfer.": f"it changes the images that students see, {_SHARED}",
    "teacher.": f"it changes the teacher, {_SHARED}",
    "training.teacher.": f"it changes the teacher, {_SHARED}",
    "student.": f"it changes the network that is trained, {_SHARED}",
    "training.epochs": "trainings of other lengths cost otherwise; give the values to -m: {key}=…,…",
    "training.batch_size": f"it changes the batches and the teacher's logits of them, {_SHARED}",
    "training.precision": f"it changes the teacher's logits, {_SHARED}",
    "seed": "choosing a seed tunes nothing; temperature=restarts shows what the best of several seeds gets",
    **dict.fromkeys(("temperature.", "tau"), "τ is searched by the strategy's own settings, such as temperature.taus"),
    **dict.fromkeys(("objective.name", "objective._target_"), "it names the loss; give losses to -m: objective=…,…"),
    "objective.": "it is no single number or word; give the values to -m: {key}=…,…",
    "": "no result depends on it, or it is no number or word",
}


def settings_of_trial(settings: Settings, params: Params) -> Settings:
    """Returns the campaign's settings with a trial's values of those that are searched.

    Args:
        settings: The campaign's.
        params: The trial's; searched settings stand under their dotted keys.

    Raises:
        ConfigError: A value is refused by the setting's type, or beside the others.
    """
    values = {key: value for key, value in params.items() if "." in key}
    if not values:
        return settings

    changes: dict[str, Any] = {}
    objective = _part_of(values, "objective.")
    if objective:
        changes["objective"] = ComponentConfig(_with_values(settings.objective.mapping, objective))
    recipe = _part_of(values, "training.")
    if recipe:
        fields = {name: getattr(settings.training.recipe, name) for name in Recipe.__dataclass_fields__}
        changes["training"] = dataclasses.replace(settings.training, recipe=read(Recipe, fields | recipe, "training"))
    if _part_of(values, _RULE):
        temperature = _with_values(settings.temperature.mapping, _part_of(values, "temperature."))
        changes["strategy"] = read_strategy(ComponentConfig(temperature).without_name())
    return dataclasses.replace(settings, **changes)


def searched_values(config: Mapping[str, Any], strategy: Strategy) -> dict[str, Value | None]:
    """Returns the settings that a strategy searches besides τ, with the values that the configuration gives them."""
    own = dict(flatten(config))
    return {key: own[key] for key in strategy.searched}


def check_searched(settings: Settings) -> None:
    """Refuses a search over what does not exist, what trials share, or what a setting does not take.

    Args:
        settings: The campaign's.

    Raises:
        ConfigError: Says which key or value, and what may be searched.
    """
    searched = settings.strategy.search
    if not searched:
        return

    # The keys
    searchable = _searchable(settings.config)
    existing = dict(flatten(settings.config))
    for key in searched:
        if key not in searchable and (key in existing or key.removeprefix("temperature.") in ("tau", "taus")):
            reason = next(text for start, text in _REASONS.items() if key.startswith(start))
            raise ConfigError(f"temperature.search: {key} is not searched: {reason.format(key=key)}")
    check_keys(searched, searchable, "temperature.search")

    for key, domain in searched.items():
        listed = list(domain.samples())
        if len(listed) < 2:
            raise ConfigError(
                f"temperature.search.{key}={listed}: is no search; list two values or more, or give {key}={listed[0]}"
            )

    # The values, alone and beside each other
    objective = settings.build_objective()
    for values in _combinations(settings.strategy):
        try:
            tried = settings_of_trial(settings, values)
            built = tried.build_objective()
        except ConfigError as error:
            beside = ", ".join(f"{key}={value}" for key, value in values.items() if key not in str(error))
            raise ConfigError(f"temperature.search: {error}{f' (tried with {beside})' if beside else ''}") from error

        if _asked(built) != _asked(objective):
            key = next(key for key in values if key.startswith("objective."))
            raise ConfigError(
                f"temperature.search: {key}={values[key]} has another network teach, or says how much of it is used; "
                f"give the values to -m: {key}=…,…"
            )
        names = settings.temperature.name, settings.objective.name
        check_fit(tried.strategy, built, settings.seed, tried.training.recipe.epochs, *names)


def check_taken(settings: Settings, params: Params, where: str) -> None:
    """Refuses what an earlier search chose besides τ where this campaign has no such setting.

    Args:
        settings: The campaign's.
        params: What was chosen there.
        where: The key that names that search, for messages.

    Raises:
        ConfigError: Says which setting.
    """
    searchable = _searchable(settings.config)
    for key in params:
        if "." in key and key not in searchable:
            raise ConfigError(
                f"{where}: that search chose {key}={params[key]} with its τ, a setting that this campaign has not; "
                "take a search over τ alone, or the objective and rule of that one"
            )
    try:
        settings_of_trial(settings, params).build_objective()
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def _asked(objective: Objective) -> tuple[object, ...]:
    """Returns what an objective wants of the teacher, which all trials of a campaign share."""
    return objective.teacher, objective.wants_features, objective.teacher_anchors


def _searchable(config: Mapping[str, Any]) -> tuple[str, ...]:
    """Returns the keys of the composed configuration that may be searched."""
    keys = [key for key, value in flatten({"objective": config["objective"]}) if _is_single(value)]
    keys += [f"training.{name}" for name in _RECIPE if name in config["training"]]
    rule = config["temperature"].get("rule")
    if isinstance(rule, Mapping):
        keys += [f"{_RULE}{key}" for key, value in flatten(rule) if _is_single(value)]
    return tuple(key for key in keys if key.rpartition(".")[2] not in ("name", "_target_"))


def _is_single(value: object) -> bool:
    return value is None or isinstance(value, Value)


def _combinations(strategy: Strategy) -> Iterator[Params]:
    """Yields the values to try together: settings of one group are built together, so those of others do not matter."""
    groups: dict[str, list[str]] = {}
    for key in strategy.search:
        groups.setdefault(key.partition(".")[0], []).append(key)

    for keys in groups.values():
        for values in itertools.product(*(strategy.search[key].samples() for key in keys)):
            yield dict(zip(keys, values, strict=True))


def _part_of(values: Params, beginning: str) -> Params:
    """Returns the values whose keys begin so, without that beginning."""
    return {key.removeprefix(beginning): value for key, value in values.items() if key.startswith(beginning)}


def _with_values(mapping: Mapping[str, Any], values: Params) -> dict[str, Any]:
    """Returns a mapping with values put in at dotted keys."""
    changed = dict(mapping)
    for key, value in values.items():
        first, _, rest = key.partition(".")
        changed[first] = _with_values(changed[first], {rest: value}) if rest else value
    return changed
