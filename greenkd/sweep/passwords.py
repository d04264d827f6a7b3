"""Passwords that would be written to files: Hydra keeps every configuration and command line as it was given."""

import re
from typing import Any

from omegaconf import DictConfig, OmegaConf

from greenkd.identity import flatten

_WITH_PASSWORD = re.compile(r"://[^/@:]*:[^@]+@")


def password_problem(config: DictConfig) -> str | None:
    """Returns why a configuration must not be written down as it stands; None if it may.

    Args:
        config: As composed, interpolations not resolved: `${oc.env:NAME}` is written as these words.
    """
    given: Any = OmegaConf.to_container(config, resolve=False)
    for key, value in flatten(given.get("logger") or {}, "logger."):
        if isinstance(value, str) and _WITH_PASSWORD.search(value):
            return (
                f"{key}: holds a password, which would be written to Hydra's files and to the records; leave it out, "
                "and give it by the environment: MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, WANDB_API_KEY"
            )

    storage = given["storage"]
    if not isinstance(storage, str) or not _WITH_PASSWORD.search(storage):
        return None
    return (
        "storage: holds a password, which would be written to Hydra's files and to the records; "
        "export GREENKD_STORAGE='postgresql://user:password@host/name' and give 'storage=${oc.env:GREENKD_STORAGE}', "
        "or leave the password to PGPASSWORD or ~/.pgpass"
    )
