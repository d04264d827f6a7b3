"""Loggers as the group `logger` of a configuration names them."""

from collections.abc import Mapping
from typing import Any

from greenkd.components import build
from greenkd.errors import ConfigError
from greenkd.loggers.base import Logger

TARGETS = {
    "csv": "greenkd.loggers.Csv",
    "mlflow": "greenkd.loggers.MLflow",
    "tensorboard": "greenkd.loggers.TensorBoard",
    "wandb": "greenkd.loggers.WandB",
}
"""The class of each option of `conf/logger`."""


def read_loggers(config: object) -> dict[str, Logger]:
    """Builds the loggers that a configuration asks for, by name; none for an empty one.

    Raises:
        ConfigError: A library is missing, or a setting is unknown or refused.
    """
    if config is None:
        return {}
    if not isinstance(config, Mapping) or not all(isinstance(part, Mapping) for part in config.values()):
        allowed = ", ".join(("none", *TARGETS))
        raise ConfigError(f"logger={config!r}: choose from {allowed}, several as logger=[tensorboard,csv]")

    parts: Mapping[str, Mapping[str, Any]] = config
    return {
        name: build(part, where=f"logger.{name}", expect=Logger)  # type: ignore[type-abstract]
        for name, part in parts.items()
    }
