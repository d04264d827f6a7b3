"""The jobs that Hydra will start for a command line, composed before the first of them runs."""

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.global_hydra import GlobalHydra
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import DictConfig


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
