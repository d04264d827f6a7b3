"""From a composed configuration to checked settings: everything a user can mistype is refused here, before training."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from greenkd.campaign.budget import read_budget
from greenkd.campaign.searched_settings import check_searched
from greenkd.campaign.settings import Interleaving, Settings
from greenkd.campaign.smoke import shrink
from greenkd.campaign.task_fit import check_network_task, check_objective_task, settle_training
from greenkd.campaign.temperature_fit import check_fit
from greenkd.campaign.transfer_fit import check_transfer_fits, read_transfer
from greenkd.components import ComponentConfig, check, check_keys, read
from greenkd.data import check_config, task_of
from greenkd.energy import read_config
from greenkd.errors import ConfigError
from greenkd.identity import campaign_id, setting_id, with_seeds
from greenkd.loggers import read_loggers
from greenkd.temperature import read_strategy
from greenkd.training.network_factory import NETWORK_KEYS
from greenkd.training.recipe import read_options

_COMPONENTS = ("dataset", "transfer", "teacher", "student", "objective", "temperature", "energy")
_GROUPS = (*_COMPONENTS, "training")
_DERIVED = ("config", "strategy", "campaign_id", "setting_id", "tau_source")
_ROOT_KEYS = tuple(field.name for field in dataclasses.fields(Settings) if field.name not in _DERIVED)


def read_settings(config: Mapping[str, Any], identity: str | None = None) -> Settings:
    """Checks a resolved configuration.

    Args:
        config: Plain containers, as `greenkd.identity.plain` returns them.
        identity: Its `campaign_id`, where that is known.

    Raises:
        ConfigError: Any setting is unknown, missing, of the wrong type or out of range.
    """
    _check_root(config)
    resolved = with_seeds(config)
    _check_components(resolved)

    # A smoke run stands for the campaign it is cut down from, so ids are those of the configuration as composed.
    ids = {"campaign_id": identity or campaign_id(config), "setting_id": setting_id(config)}
    if config["smoke"] is True:
        config, resolved = shrink(config), shrink(resolved)

    components = {group: ComponentConfig(resolved[group]) for group in _COMPONENTS}
    parts = {
        "training": read_options(resolved["training"]),
        "budget": read_budget(config["budget"]),
        "interleaving": read(Interleaving, config["interleaving"], "interleaving"),
        "config": config,
        "strategy": read_strategy(components["temperature"].without_name()),
    }
    settings = read(Settings, {**config, **components, **parts, **ids}, "")

    # What has to go together
    objective, names = settings.build_objective(), (settings.temperature.name, settings.objective.name)
    check_objective_task(config, objective)
    check_fit(settings.strategy, objective, settings.seed, settings.training.recipe.epochs, *names)
    check_transfer_fits(settings.transfer, settings.selection, objective, settings.objective.name)
    check_searched(settings)
    training = settle_training(settings.training, task_of(config["dataset"]), objective)
    return dataclasses.replace(settings, training=training)


def _check_root(config: Mapping[str, Any]) -> None:
    """Checks that the root holds all settings and no other, and that every group is chosen and named."""
    check_keys(config, _ROOT_KEYS, "")
    for key in _ROOT_KEYS:
        if key not in _GROUPS and key not in config:
            raise ConfigError(f"{key} is not set; give {key}=<value>, or leave out what removes it")

    for group in _GROUPS:
        if not isinstance(config.get(group), Mapping):
            raise ConfigError(f"{group}: nothing is chosen; give {group}=<option>, see --help")
        if not config[group].get("name"):
            raise ConfigError(f"{group}.name is not set; folders and tables need it")


def _check_components(config: Mapping[str, Any]) -> None:
    """Checks what is built only later: the data set, what students see of it, the networks and the meter."""
    check_config(config["dataset"])
    read_transfer(ComponentConfig(config["transfer"]))

    anchors = ("anchors",) if task_of(config["dataset"]) == "detection" else ()
    given = ("num_classes", "in_channels", "image_size", *anchors)
    for group in ("teacher", "student"):
        check_network_task(config, group)
        target = {key: value for key, value in config[group].items() if key not in NETWORK_KEYS}
        check(target, where=group, given=given)

    _, _, meter = read_config(config["energy"], "")
    check(meter, where="energy", given=("watts_per_thread",))
    read_loggers(config["logger"])
