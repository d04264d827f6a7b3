"""Studies in files that open quickly."""

import functools
from typing import Any

from optuna.storages._rdb.storage import _VersionManager


@functools.cache
def read_history_once() -> None:
    """Makes Optuna read the history of its tables once per process, not three times per study: most of its opening."""
    read = _VersionManager._create_alembic_script
    histories: list[Any] = []

    def history(manager: _VersionManager) -> Any:
        if not histories:
            histories.append(read(manager))
        return histories[0]

    _VersionManager._create_alembic_script = history  # type: ignore[method-assign]
