"""Settings that share all their names, told apart by what their configurations differ in."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.frames import columns
from analysis.frames.reading import parse_config, read_config_text
from greenkd.records.setting_keys import NOT_IDENTITY, NOT_SETTING

_NAMES = [name for name in columns.SETTING if name != "setting_id"]
_MOST_KEYS = 3  # a name that says more is none


def tell_settings_apart(campaigns: pd.DataFrame, folders: Mapping[int, Path]) -> pd.DataFrame:
    """Adds what tells settings apart to the names of those that share data set, networks and objective.

    The objective is then named `kd, training.lr=0.05`, say, as it is typed. Settings that differ in more than three
    keys, or whose configurations are missing, keep their names.

    Args:
        campaigns: One row per campaign.
        folders: The campaigns' folders, by the campaign's number.
    """
    first = campaigns.drop_duplicates(list(columns.SETTING))
    sharing = first[first.duplicated(_NAMES, keep=False)]
    if sharing.empty:
        return campaigns

    words: dict[str, str] = {}
    for _, settings in sharing.groupby(_NAMES, sort=False):
        ids, numbers = settings["setting_id"].tolist(), settings["campaign"].tolist()
        configs = [parse_config(read_config_text(folders[number])) for number in numbers]
        words |= dict(zip(ids, differences(configs), strict=True))

    ends = campaigns["setting_id"].map(words).fillna("")
    return campaigns.assign(objective=campaigns["objective"].where(ends == "", campaigns["objective"] + ", " + ends))


def differences(configs: Sequence[Mapping[str, Any]]) -> list[str]:
    """Returns for each of several configurations what it has in the keys in which they differ.

    Args:
        configs: The configurations; an empty one is missing.

    Returns:
        Words such as `training.lr=0.05`; empty ones where there is nothing to say or too much.
    """
    leaves = [dict(_leaves(config)) for config in configs]
    keys = dict.fromkeys(key for found in leaves for key in found)
    differ = [key for key in keys if len({repr(found.get(key)) for found in leaves}) > 1]

    # The name of an option says what its other keys say.
    named = {key.removesuffix("name") for key in differ if key.endswith(".name")}
    said = [key for key in differ if key.endswith(".name") or not any(key.startswith(group) for group in named)]
    if not 0 < len(said) <= _MOST_KEYS or not all(configs):
        return [""] * len(leaves)
    return [", ".join(f"{key.removesuffix('.name')}={found[key]}" for key in said if key in found) for found in leaves]


def _leaves(config: Mapping[str, Any], group: str = "") -> Iterator[tuple[str, Any]]:
    """Yields what makes a setting, each value with its dotted path."""
    for key, value in config.items():
        path = f"{group}{key}"
        if path in NOT_IDENTITY + NOT_SETTING:
            continue
        if isinstance(value, dict):
            yield from _leaves(value, f"{path}.")
        else:
            yield path, value
