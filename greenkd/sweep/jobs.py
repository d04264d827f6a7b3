"""The jobs that Hydra will start for a command line, composed before the first of them runs.

Hydra composes a job in a fifth of a second, which for thousands of seeds would be an hour. Jobs that choose the same
options differ in plain values alone (`seed=0,1,2`), and those are put into a copy of what was composed for the first.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra import initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from greenkd.errors import ConfigError
from greenkd.sweep.job import Job, as_job

# What stands in for another value, and what is in its braces.
_INTERPOLATION = re.compile(r"\$\{([^${}]*)\}")


def compose_jobs(config: DictConfig, check: Callable[[DictConfig], None]) -> list[Job]:
    """Composes every job that Hydra's own sweeper will start.

    Args:
        config: The command line's configuration, Hydra's own node included.
        check: Called with each configuration as Hydra composes it, before interpolations are resolved.

    Returns:
        Each job. Empty where another sweeper decides job by job: there is nothing to list beforehand then, and each
        job checks itself.

    Raises:
        ConfigError: A value is missing, or an interpolation leads nowhere.
    """
    if not str(config.hydra.sweeper._target_).endswith(".BasicSweeper"):
        return []

    loader = GlobalHydra.instance().config_loader()
    words = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    # As they were typed: ${oc.env:…} may stand for a password.
    typed: Any = OmegaConf.to_container(config.hydra.overrides.task, resolve=False)
    words += typed
    parser = OverridesParser.create(config_loader=loader)

    batches = BasicSweeper.split_arguments(parser.parse_overrides(words), max_batch_size=None)
    composer = _Composer(config, loader, parser, check)
    return [composer.compose(job) for batch in batches for job in batch]


def compose_command(
    folder: Path, overrides: Sequence[str], check: Callable[[DictConfig], None]
) -> tuple[DictConfig, list[Job]]:
    """Composes what `python run.py -m` with some overrides would, without Hydra's application.

    Args:
        folder: `conf/`.
        overrides: As typed.
        check: Called with each configuration as Hydra composes it, before interpolations are resolved.

    Returns:
        The command line's configuration, Hydra's own node included, and every job.

    Raises:
        ConfigError: It cannot be composed.
    """
    try:
        with initialize_config_dir(config_dir=str(folder.absolute()), version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()
            config = loader.load_configuration("config", list(overrides), run_mode=RunMode.MULTIRUN)
            check(config)
            return config, compose_jobs(config, check)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(str(error)) from error


class _Composer:
    """Composes jobs, and keeps what was composed for those that differ from it in plain values.

    Args:
        config: The command line's configuration.
        loader: Hydra's.
        parser: Of words of the command line.
        check: Called with what Hydra has composed.
    """

    def __init__(
        self,
        config: DictConfig,
        loader: ConfigLoader,
        parser: OverridesParser,
        check: Callable[[DictConfig], None],
    ) -> None:
        self._config = config
        self._loader = loader
        self._parser = parser
        self._check = check
        self._values: dict[str, dict[str, Any]] = {}  # by word
        self._composed: dict[tuple[str, ...], Job | None] = {}  # by words, values left out; None: not to be copied

    def compose(self, words: Sequence[str]) -> Job:
        """Returns one job, given by its words."""
        values = {key: value for word in words for key, value in self._plain_value(word).items()}
        choice = tuple(word for word in words if not self._plain_value(word)) + tuple(sorted(values))

        like = self._composed.get(choice)
        if like is not None and values:
            for key, value in values.items():
                like = like.with_value(key, value)
            return like

        composed = self._loader.load_sweep_config(self._config, list(words))
        self._check(composed)
        job = as_job(composed)
        if choice not in self._composed:
            self._composed[choice] = job if _may_be_copied(composed, job.config, values) else None
        return job

    def _plain_value(self, word: str) -> dict[str, Any]:
        """Returns the setting and the number or switch that a word gives it; empty where it is another word."""
        if word not in self._values:
            (override,) = self._parser.parse_overrides([word])
            key, value = override.key_or_group, override.value()
            is_plain = word.startswith(f"{key}=") and isinstance(value, bool | int | float)
            is_setting = is_plain and not self._loader.get_group_options(key)
            self._values[word] = {key: value} if is_setting else {}
        return self._values[word]


def _may_be_copied(composed: DictConfig, resolved: Mapping[str, Any], values: Mapping[str, Any]) -> bool:
    """Tells whether other values change nothing but themselves: each is a leaf, and no setting refers to one."""
    if any(isinstance(_value_at(resolved, key.split(".")), dict | list) for key in values):
        return False

    text = OmegaConf.to_yaml(OmegaConf.masked_copy(composed, list(resolved)))
    referred = [name for name in _INTERPOLATION.findall(text) if not name.startswith("oc.env:")]
    if text.count("${") > len(_INTERPOLATION.findall(text)) or any(":" in name for name in referred):
        return False  # one within another, or a resolver, which may look at any setting
    changed = {part for key in values for part in key.split(".")}
    return changed.isdisjoint(part for name in referred for part in re.split(r"[.\[\]]+", name))


def _value_at(resolved: Mapping[str, Any], path: Sequence[str]) -> Any:
    value: Any = resolved
    for key in path:
        value = value[key] if isinstance(value, Mapping) and key in value else {}
    return value
