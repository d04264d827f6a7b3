"""Where Hydra looks for configurations while it composes job after job: each file is read once for all of them."""

import copy
from typing import Any

from hydra._internal.config_repository import ConfigRepository
from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.default_element import ConfigDefault, InputDefault
from hydra.plugins.config_source import ConfigResult

# What has been read, by its path below the places where Hydra looks, and these places.
Read = dict[tuple[str, tuple[str, ...]], ConfigResult | None]


class ConfigFiles(ConfigRepository):
    """Hydra's repository, which keeps what it has read.

    Hydra copies it for each job, with all that its own store holds, and parses the same files of YAML anew.

    Args:
        search_path: The places where Hydra looks.
        read: What has been read already; the repository adds to it.
    """

    def __init__(self, search_path: ConfigSearchPath, read: Read | None = None) -> None:
        super().__init__(search_path)
        self._search_path = search_path
        self._read: Read = {} if read is None else read

    def __deepcopy__(self, memo: dict[int, Any]) -> "ConfigFiles":
        """Returns another one that looks in the same places, and knows what has been read."""
        return ConfigFiles(self._search_path, self._read)

    def load_config(self, config_path: str) -> ConfigResult | None:
        """Returns a copy of what a file holds, since Hydra changes it; None where there is no such file."""
        key = config_path, tuple(source.full_path() for source in self.sources)
        if key not in self._read:
            self._read[key] = super().load_config(config_path)
        return copy.deepcopy(self._read[key])

    def sets_its_group_alone(self, group: str, option: str) -> bool:
        """Tells whether an option of a group, and those of the group that it is made of, set nothing but the group."""
        result = None if "/" in option else self.load_config(f"{group}/{option}")
        if result is None or result.header["package"] not in (None, "_group_", group):
            return False
        return all(default.is_self() or self._is_of(group, default) for default in result.defaults_list or [])

    def _is_of(self, group: str, default: InputDefault) -> bool:
        """Tells whether an entry of a defaults list is an option of a group that sets nothing but the group."""
        is_beside = isinstance(default, ConfigDefault) and default.package is None
        return is_beside and self.sets_its_group_alone(group, str(default.get_name()))
