"""The jobs that Hydra will start for a command line, composed before the first of them runs."""

from collections.abc import Sequence
from pathlib import Path

from hydra import initialize_config_dir
from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from hydra.types import RunMode
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from greenkd.errors import ConfigError


def compose_jobs(config: DictConfig) -> list[DictConfig]:
    """Composes every job that Hydra's own sweeper will start.

    Args:
        config: The command line's configuration, Hydra's own node included.

    Returns:
        One configuration for each job. Empty where another sweeper decides job by job: there is nothing to list
        beforehand then, and each job checks itself.
    """
    if not str(config.hydra.sweeper._target_).endswith(".BasicSweeper"):
        return []

    loader = GlobalHydra.instance().config_loader()
    words = [f"{key}={value}" for key, value in (config.hydra.sweeper.params or {}).items()]
    words += config.hydra.overrides.task
    overrides = OverridesParser.create(config_loader=loader).parse_overrides(words)

    batches = BasicSweeper.split_arguments(overrides, max_batch_size=None)
    return [loader.load_sweep_config(config, list(job)) for batch in batches for job in batch]


def compose_command(folder: Path, overrides: Sequence[str]) -> tuple[DictConfig, list[DictConfig]]:
    """Composes what `python run.py -m` with some overrides would, without Hydra's application.

    Args:
        folder: `conf/`.
        overrides: As typed.

    Returns:
        The command line's configuration, Hydra's own node included, and that of every job.

    Raises:
        ConfigError: It cannot be composed.
    """
    try:
        with initialize_config_dir(config_dir=str(folder.absolute()), version_base="1.3"):
            loader = GlobalHydra.instance().config_loader()
            config = loader.load_configuration("config", list(overrides), run_mode=RunMode.MULTIRUN)
            return config, compose_jobs(config)
    except (HydraException, OmegaConfBaseException) as error:
        raise ConfigError(str(error)) from error
