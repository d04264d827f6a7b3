"""Values that a configuration takes from the environment count as if they had been typed on the command line.

`${oc.env:NAME}` hands over text: "3" where a number is meant, "[2,4]" where a list is. Some settings would refuse that,
and others take it, under another campaign id than the number typed.
"""

import re
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

_FROM_ENVIRONMENT = re.compile(r"\$\{\s*oc\.env:[^${}]*\}")

# Settings that are text whatever it looks like: the folder 1.50 is not the folder 1.5.
_TEXTS = frozenset({"sweep", "device", "data_dir", "cache_dir", "storage"})


def read_environment_values(config: DictConfig) -> None:
    """Puts what `${oc.env:…}` alone stands for in its place, read as Hydra reads a value that is typed.

    Text around it, or another resolver's, stays text: `${oc.decode:…}` around it says that it is to be read.

    Args:
        config: The configuration, which is changed.

    Raises:
        OmegaConfBaseException: A variable is not set.
    """
    raw = OmegaConf.to_container(config, resolve=False)
    assert isinstance(raw, dict)
    for key, value in raw.items():
        if key not in _TEXTS:
            _read(config, key, value)


def _read(parent: DictConfig | ListConfig, key: Any, raw: Any) -> None:
    if isinstance(raw, str) and _FROM_ENVIRONMENT.fullmatch(raw):
        text = parent[key]
        if isinstance(text, str) and "${" not in text:  # the environment is read, not obeyed
            parent[key] = _as_if_typed(text)
    elif isinstance(raw, dict | list):
        for inner, value in raw.items() if isinstance(raw, dict) else enumerate(raw):
            _read(parent[key], inner, value)


def _as_if_typed(text: str) -> Any:
    try:
        return OmegaConf.create({"text": text, "value": "${oc.decode:${.text}}"}).value
    except OmegaConfBaseException:  # text that means nothing else, a path with a space for instance
        return text
