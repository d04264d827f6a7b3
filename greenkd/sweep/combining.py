"""Which parts of a composed job stand for themselves: another value or option changes nothing but its own place."""

import dataclasses
import re
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property
from typing import Any

from omegaconf import DictConfig, OmegaConf

from greenkd.sweep.job import Job

# What stands in for another value, and what is in its braces.
_INTERPOLATION = re.compile(r"\$\{([^${}]*)\}")


@dataclasses.dataclass
class Composed:
    """What Hydra has composed for a job.

    Attributes:
        words: The job's words.
        config: Hydra's own node included, before interpolations are resolved.
        job: The job.
    """

    words: tuple[str, ...]
    config: DictConfig
    job: Job

    @cached_property
    def referred(self) -> frozenset[str] | None:
        """The parts of all names that settings refer to; None where a resolver may look at any setting."""
        text = OmegaConf.to_yaml(OmegaConf.masked_copy(self.config, list(self.job.config)))
        found = _INTERPOLATION.findall(text)
        referred = [name for name in found if not name.startswith("oc.env:")]
        if text.count("${") > len(found) or any(":" in name for name in referred):
            return None  # one within another, or a resolver
        return frozenset(part for name in referred for part in re.split(r"[.\[\]]+", name))

    def may_change(self, values: Collection[str]) -> bool:
        """Tells whether other values of some settings change nothing else: each is a leaf that none refers to."""
        if any(isinstance(_value_at(self.job.config, key.split(".")), dict | list) for key in values):
            return False
        return self.referred is not None and self.referred.isdisjoint(part for key in values for part in key.split("."))

    def lends_to(self, other: "Composed", lent: Collection[str], groups: Collection[str]) -> bool:
        """Tells whether groups of another job may be replaced by this one's, whatever options the other groups have.

        An option may set more than its group, choose options of others, or be referred to: it then may not.

        Args:
            other: A job whose words differ in the options of these groups alone.
            lent: The groups.
            groups: All groups whose options are given by words.
        """
        is_referred = any(one.referred is None or not one.referred.isdisjoint(groups) for one in (self, other))
        return not is_referred and all(
            _without(mine, lent) == _without(others, lent)
            for mine, others in (
                (self.job.config, other.job.config),
                (self.job.portable, other.job.portable),
                (self.config.hydra.runtime.choices, other.config.hydra.runtime.choices),
            )
        )


def _without(mapping: Mapping[Any, Any], keys: Collection[str]) -> dict[Any, Any]:
    return {name: value for name, value in mapping.items() if name not in keys}


def _value_at(resolved: Mapping[str, Any], path: Sequence[str]) -> Any:
    value: Any = resolved
    for key in path:
        value = value[key] if isinstance(value, Mapping) and key in value else {}
    return value
