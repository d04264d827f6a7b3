"""One job of a command line: its configuration as values, and as it may be written down for other machines."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from omegaconf import DictConfig, OmegaConf

from greenkd.identity import plain
from greenkd.records.setting_keys import NOT_IDENTITY


class Job(NamedTuple):
    """A composed job, Hydra's own node left out.

    Attributes:
        config: Its configuration, resolved.
        portable: The same, but with the words it was given where they cannot change a result. Such words
            (`${oc.env:GREENKD_STORAGE}`, `${oc.env:GREENKD_DATA,data}`) say where things lie: each machine reads its
            own environment for them, and no password is written.
    """

    config: dict[str, Any]
    portable: dict[str, Any]

    def with_value(self, key: str, value: Any) -> "Job":
        """Returns the job with another value of a setting, which no other setting refers to; the rest is shared."""
        path = key.split(".")
        return Job(_with_value(self.config, path, value), _with_value(self.portable, path, value))

    def with_group(self, group: str, other: "Job") -> "Job":
        """Returns the job with another one's settings of a group."""
        return Job({**self.config, group: other.config[group]}, {**self.portable, group: other.portable[group]})


def as_job(config: DictConfig) -> Job:
    """Returns a configuration that Hydra has composed as a job.

    Raises:
        ConfigError: A value is missing, or an interpolation leads nowhere.
    """
    resolved = plain(config)
    ours = OmegaConf.masked_copy(config, list(resolved))
    given: Any = OmegaConf.to_container(ours, resolve=False)

    portable = resolved
    for key in NOT_IDENTITY:
        portable = _as_given(portable, given, key.split("."))
    return Job(resolved, portable)


def _with_value(config: Mapping[str, Any], path: Sequence[str], value: Any) -> dict[str, Any]:
    key, *inner = path
    return {**config, key: _with_value(config[key], inner, value) if inner else value}


def _as_given(resolved: Mapping[str, Any], given: Any, path: Sequence[str]) -> dict[str, Any]:
    """Returns a configuration with the value at a path as it was given, if it was."""
    key, *inner = path
    if not isinstance(given, Mapping) or key not in given or key not in resolved:
        return dict(resolved)
    if not inner:
        return {**resolved, key: given[key]}

    below = resolved[key]
    return {**resolved, key: _as_given(below, given[key], inner) if isinstance(below, Mapping) else below}
