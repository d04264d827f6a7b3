"""A campaign is its configuration: folder and id are functions of the settings that can change a result."""

import functools
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from greenkd.environment_values import read_environment_values
from greenkd.errors import ConfigError
from greenkd.records.setting_keys import NOT_IDENTITY, NOT_SETTING

# Settings that earlier versions did not have, with the value that does what those did. At that value they are no part
# of an identity: campaigns and teachers of earlier versions keep their ids. By key, and the `_target_` beside it where
# the key is that target's own.
ADDED_SETTINGS: Mapping[tuple[str, str | None], Any] = {
    ("threads", None): "auto",
    ("training.teacher.batch_size", None): None,
    ("student.init", None): "torchvision",
    ("teacher.init", None): "torchvision",
    ("transfer", None): {"name": "real"},
    ("selection", None): "validation",
    ("temperature.rule", None): "shared",
    ("temperature.search", None): None,
    ("temperature.schedule.levels", "greenkd.temperature.Annealed"): 5,
    ("temperature.schedule.cycles", "greenkd.temperature.Annealed"): 4,
    ("temperature.schedule.over", "greenkd.temperature.Annealed"): 1.0,
    ("objective.taus", "greenkd.objectives.KD"): [],
    ("objective.taus", "greenkd.objectives.DKD"): [],
    ("objective.teacher_anchors", "greenkd.objectives.SSDKD"): None,
    ("objective.teacher_anchors", "greenkd.objectives.SSDSelf"): None,
}
_ADDED_KEYS = frozenset(key for key, _ in ADDED_SETTINGS)
# What a setting may hold in the place of a seed of its own: it is then the campaign's. Intervals over seeds that share
# a split are too narrow (Bouthillier et al., Accounting for variance in machine learning benchmarks, MLSys 2021).
PER_SEED = "per_seed"
_MAY_FOLLOW_THE_SEED = (("dataset", "split_seed"), ("training", "teacher", "seed"), ("transfer", "seed"))

REAL = "real"
"""The option of `transfer` under which students see the data set's own images."""

_LEVELS = 5  # folders of `campaign_folder`


def plain(config: DictConfig) -> dict[str, Any]:
    """Returns the resolved configuration as plain containers, Hydra's own node left out.

    What comes from the environment is read as if it had been typed.

    Raises:
        ConfigError: A value is missing (`???`) or an interpolation leads nowhere.
    """
    ours = OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"])
    try:
        read_environment_values(ours)
        container = OmegaConf.to_container(ours, resolve=True, throw_on_missing=True)
    except OmegaConfBaseException as error:
        key = getattr(error, "full_key", None)
        raise ConfigError(f"{key or 'configuration'}: {str(error).splitlines()[0]}") from error

    assert isinstance(container, dict)
    return {str(key): value for key, value in container.items()}


def campaign_id(config: Mapping[str, Any]) -> str:
    """Hashes the settings that can change a result, to 10 hexadecimal digits."""
    return short_digest(identifying_text(config))


def setting_id(config: Mapping[str, Any]) -> str:
    """Hashes the same settings less strategy and seed: equal for campaigns that may be compared."""
    return short_digest(identifying_text(config, NOT_IDENTITY + NOT_SETTING))


def network_identity(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the part of a network's group that its weights are a function of; name and places of files are none.

    Args:
        config: The group `teacher` or `student`.
    """
    kept = {key: value for key, value in config.items() if key != "backbone_weights"}
    return without_new_defaults(kept, "teacher.") | {"name": None}


def with_seeds(config: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the configuration with the campaign's seed wherever a setting is to follow it.

    Ids are those of the configuration as it was given: in a setting's, the word stands for all seeds.
    """
    resolved, seed = dict(config), config["seed"]
    for path in _MAY_FOLLOW_THE_SEED:
        resolved = _with_seed(resolved, path, seed if isinstance(seed, int) else 0)  # what is no seed is refused later
    return resolved


def _with_seed(config: Mapping[str, Any], path: tuple[str, ...], seed: Any) -> dict[str, Any]:
    key, *inner = path
    value = config.get(key)
    if inner and isinstance(value, Mapping):
        return {**config, key: _with_seed(value, tuple(inner), seed)}
    return {**config, key: seed} if not inner and value == PER_SEED else dict(config)


def held_fixed(config: Mapping[str, Any], teacher: str | None) -> tuple[str, ...]:
    """Returns what campaigns of a setting have in common whatever their seeds, besides the test images.

    Args:
        config: The configuration as it was given.
        teacher: The group of the network that teaches, `teacher` or `student`; None where the objective needs none.

    Returns:
        "split" where training and validation images are the same for all seeds, "teacher" where one network teaches
        all of them, and "pool" where they are trained on one pool of images in the data set's place. A teacher that is
        trained on each seed's own split is another one for each, and so is a pool that is made from it.
    """
    split = config["dataset"].get("split_seed") != PER_SEED
    trained_once = split and config["training"]["teacher"].get("seed") != PER_SEED
    one_teacher = teacher is not None and (bool(config[teacher].get("weights")) or trained_once)
    one_pool = one_teacher and transfer_name(config) != REAL and config["transfer"].get("seed") != PER_SEED
    held = (("split", split), ("teacher", one_teacher), ("pool", one_pool))
    return tuple(name for name, fixed in held if fixed)


def transfer_name(config: Mapping[str, Any]) -> str:
    """Returns which images students see; those of earlier versions, which had no such group, saw the data set's."""
    return _name(config, "transfer") if config.get("transfer") else REAL


def campaign_folder(config: Mapping[str, Any], identity: str | None = None) -> PurePosixPath:
    """Returns `<dataset>/<teacher>-<student>/<objective>/<strategy>/seed<k>-<id>`, relative to the sweep's folder.

    Where students see other images than the data set's, the first name is `<dataset>+<transfer>`.

    Args:
        config: The resolved configuration.
        identity: Its `campaign_id`, where that is known.
    """
    transfer = transfer_name(config)
    names = {group: _name(config, group) for group in ("dataset", "teacher", "student", "objective", "temperature")}

    return PurePosixPath(
        names["dataset"] if transfer == REAL else f"{names['dataset']}+{transfer}",
        f"{names['teacher']}-{names['student']}",
        names["objective"],
        names["temperature"],
        f"seed{config['seed']}-{identity or campaign_id(config)}",
    )


def sweep_folder(folder: Path) -> Path:
    """Returns the sweep's folder, from the folder of one of its campaigns.

    A campaign that `hydra.run.dir` puts elsewhere than `campaign_folder` would is a sweep of its own, in one folder.
    """
    above = folder.parents
    named_by_content = re.fullmatch(r"seed.*-[0-9a-f]{10}", folder.name) is not None
    return above[_LEVELS - 1] if named_by_content and len(above) >= _LEVELS else folder


def flatten(config: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Yields every value that is no mapping with its dotted key; an empty mapping counts as a value."""
    for key, value in config.items():
        if isinstance(value, Mapping) and value:
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def identifying(config: Mapping[str, Any], left_out: tuple[str, ...] = NOT_IDENTITY) -> dict[str, Any]:
    """Returns the settings that can change a result, by dotted key, in one spelling.

    Args:
        config: The resolved configuration.
        left_out: Keys, and groups of them, that do not count.
    """
    names = frozenset(left_out)
    settings = flatten(without_new_defaults(config))
    return {key: value for key, value in settings if names.isdisjoint(_key_and_groups(key))}


def identifying_text(config: Mapping[str, Any], left_out: tuple[str, ...] = NOT_IDENTITY) -> str:
    """Returns what an id is a hash of: the `identifying` settings as JSON, in the order of their keys."""
    return json.dumps(identifying(config, left_out), sort_keys=True, default=str)


def short_digest(text: str) -> str:
    """Hashes a text to 10 hexadecimal digits."""
    return hashlib.sha256(text.encode()).hexdigest()[:10]


@functools.lru_cache(maxsize=4096)
def _key_and_groups(key: str) -> tuple[str, ...]:
    """Returns a dotted key with all groups that it stands in; thousands of campaigns have the same keys."""
    parts = key.split(".")
    return tuple(".".join(parts[:count]) for count in range(1, len(parts) + 1))


def without_new_defaults(config: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns a configuration less the `ADDED_SETTINGS` that are as before: as earlier versions would have written it.

    Args:
        config: The resolved configuration, or a part of it.
        prefix: Where the part stands, with a dot at its end: "temperature.".
    """
    target = str(config.get("_target_"))
    kept: dict[str, Any] = {}
    for name, value in config.items():
        key = f"{prefix}{name}"
        plainer = without_new_defaults(value, f"{key}.") if isinstance(value, Mapping) else value
        if key == "temperature.rule" and isinstance(plainer, Mapping) and plainer.keys() == {"name"}:
            plainer = plainer["name"]  # a rule's name alone says the same
        if key == "threads" and plainer == 1:
            plainer = "auto"  # as earlier versions named both; `greenkd.campaign.threads_check` keeps them apart

        entries = ((key, target), (key, None)) if key in _ADDED_KEYS else ()
        if not any(entry in ADDED_SETTINGS and plainer == ADDED_SETTINGS[entry] for entry in entries):
            kept[str(name)] = plainer
    return kept


def register_resolver() -> None:
    """Lets `conf/config.yaml` name Hydra's output folder by `${greenkd.folder:}`."""

    def folder(*, _root_: DictConfig) -> str:
        return str(campaign_folder(plain(_root_)))

    OmegaConf.register_new_resolver("greenkd.folder", folder, replace=True)


def _name(config: Mapping[str, Any], group: str) -> str:
    name = str((config.get(group) or {}).get("name", "unnamed"))
    if not name or name.startswith(".") or "/" in name or "\\" in name:
        raise ConfigError(f"{group}.name={name!r} names a folder: give a name without / and \\ that starts with no dot")
    return name
