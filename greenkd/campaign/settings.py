"""From a composed configuration to checked settings: everything a user can mistype is refused here, before training."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
from pydantic import Field

from greenkd.campaign.budget import BudgetOptions, read_budget
from greenkd.campaign.temperature_fit import check_fit
from greenkd.components import build, check, check_keys, explain
from greenkd.data import check_config
from greenkd.energy import read_config
from greenkd.errors import ConfigError
from greenkd.identity import campaign_id, setting_id
from greenkd.objectives import Objective
from greenkd.temperature import Strategy, read_strategy
from greenkd.training.network_factory import NETWORK_KEYS
from greenkd.training.recipe import TrainingOptions, read_options

GROUPS = ("dataset", "teacher", "student", "objective", "temperature", "training", "energy")
_SWITCHES = ("dry_run", "smoke", "estimate")
_ROOT = (
    *(*GROUPS, "sweep", "seed", "device", "threads", "data_dir", "cache_dir", "storage", "retry"),
    *(*_SWITCHES, "budget", "order", "interleaving"),
)


@pydantic.dataclasses.dataclass(frozen=True, config=pydantic.ConfigDict(extra="forbid"))
class Interleaving:
    """What comes before each block of `order=interleaved`.

    Attributes:
        idle_s: Seconds of doing nothing, which show what the machine draws at rest.
        calibration_steps: Fixed training steps, which show whether the machine has changed; 0 leaves them out.
    """

    idle_s: Annotated[float, Field(ge=0, le=3600)]
    calibration_steps: Annotated[int, Field(ge=0)]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """One campaign's checked settings.

    Attributes:
        config: The resolved configuration, plain containers.
        strategy: Built from the `temperature` group.
        training: Read from the `training` group.
        storage: URL of the database that holds the Optuna studies; None: a file in each campaign's folder.
        interleaving: None: one campaign after the other.
    """

    config: Mapping[str, Any]
    strategy: Strategy
    training: TrainingOptions
    seed: int
    threads: int | Literal["auto"]
    cache_dir: Path
    storage: str | None
    retry: Literal["none", "failed"]
    smoke: bool
    dry_run: bool
    estimate: bool
    budget: BudgetOptions
    interleaving: Interleaving | None
    campaign_id: str
    setting_id: str

    def name(self, group: str) -> str:
        """Returns the chosen option's name, as tables show it."""
        return str(self.config[group]["name"])

    def objective(self) -> Objective:
        """Builds the objective; each trial needs its own, since some learn."""
        return build(_without_name(self.config["objective"]), where="objective", expect=Objective)  # type: ignore[type-abstract]


def read_settings(config: Mapping[str, Any]) -> Settings:
    """Checks a resolved configuration.

    Raises:
        ConfigError: Any setting is unknown, missing, of the wrong type or out of range.
    """
    _check_root(config)
    check_config(config["dataset"])
    for group in ("teacher", "student"):
        own = {key: value for key, value in config[group].items() if key not in NETWORK_KEYS}
        check(own, where=group, given=("num_classes", "in_channels", "image_size"))
    check(read_config(config["energy"], "")[2], where="energy", given=("watts_per_thread",))
    identity = campaign_id(config), setting_id(config)
    if config["smoke"]:
        config = shrink(config)
    settings = Settings(
        config=config,
        strategy=read_strategy(_without_name(config["temperature"])),
        training=read_options(dict(config["training"])),
        seed=config["seed"],
        threads=config["threads"],
        cache_dir=Path(str(config["cache_dir"])),
        storage=config["storage"],
        retry=config["retry"],
        smoke=config["smoke"],
        dry_run=config["dry_run"],
        estimate=config["estimate"],
        budget=read_budget(config["budget"]),
        interleaving=_read_interleaving(config),
        campaign_id=identity[0],
        setting_id=identity[1],
    )
    check_fit(settings.strategy, settings.name("temperature"), settings.objective(), settings.name("objective"))
    return settings


def _check_root(config: Mapping[str, Any]) -> None:
    """Checks what stands at the root: the groups are there, and settings are in range."""
    check_keys(config, _ROOT, "configuration")
    for key in _ROOT:
        if key not in GROUPS and key not in config:
            raise ConfigError(f"{key} is not set; give {key}=<value>, or leave out what removes it")
    for group in GROUPS:
        if not isinstance(config.get(group), Mapping):
            raise ConfigError(f"{group}: nothing is chosen; give {group}=<option>, see python run.py --help")
        if not config[group].get("name"):
            raise ConfigError(f"{group}.name is not set; folders and tables need it")
    nested = {key: config[key] for key in ("budget", "interleaving")}
    nested["training.teacher"] = config["training"].get("teacher")
    for key, value in nested.items():
        if not isinstance(value, Mapping):
            raise ConfigError(f"{key}={value!r}: holds settings of its own, as in {key}.<setting>=<value>; see conf/")
    _check_plain(config)


def _check_plain(config: Mapping[str, Any]) -> None:
    """Checks the settings at the root that are plain values."""
    seed = config["seed"]
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        raise ConfigError(f"seed={seed!r}: give a whole number from 0 on")
    if config["retry"] not in ("none", "failed"):
        raise ConfigError(f"retry={config['retry']!r}: give none or failed")
    storage = config["storage"]
    if storage is not None and "://" not in str(storage):
        raise ConfigError(f"storage={storage}: give null, or a URL such as postgresql://user@host/studies")
    threads = config["threads"]
    if threads != "auto" and (not isinstance(threads, int) or isinstance(threads, bool) or threads < 1):
        raise ConfigError(f"threads={threads!r}: give auto or a whole number from 1 on")
    for switch in _SWITCHES:
        if not isinstance(config[switch], bool):
            raise ConfigError(f"{switch}={config[switch]!r}: give true or false")


def _read_interleaving(config: Mapping[str, Any]) -> Interleaving | None:
    if config["order"] not in ("sequential", "interleaved"):
        raise ConfigError(f"order={config['order']!r}: give sequential or interleaved")
    check_keys(config["interleaving"], Interleaving.__dataclass_fields__, "interleaving")
    try:
        interleaving = Interleaving(**config["interleaving"])
    except pydantic.ValidationError as error:
        raise ConfigError(explain(error, "interleaving")) from error
    return interleaving if config["order"] == "interleaved" else None


def shrink(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the same configuration cut down to seconds: two trials of two epochs.

    The images, a handful of the data set's shape, are made up by `greenkd.data.load`; batches are so small that an
    epoch has several, of which the last is smaller. CRD cuts its negatives to the images there are.
    """
    # The rate falls with the batch: at 0.1 and four images resnet152 diverges at once.
    short = {"epochs": 2, "batch_size": 4, "lr": 0.01, "warmup_epochs": 0, "milestones": []}
    training = {**config["training"], **short}
    training["teacher"] = {**training["teacher"], "epochs": 1, "lr": None}
    objective = dict(config["objective"])
    if "warmup_epochs" in objective:
        objective["warmup_epochs"] = 1
    temperature = dict(config["temperature"])
    if "taus" in temperature:
        temperature["taus"] = temperature["taus"][:2]
    if "n_trials" in temperature:
        temperature["n_trials"] = 2
    return {**config, "objective": objective, "training": training, "temperature": temperature}


def _without_name(group: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in group.items() if key != "name"}
