"""What a logger is given, and what it does with it."""

import dataclasses
import importlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from greenkd.errors import ConfigError
from greenkd.records.trial import ParamValue

Figures = Mapping[str, float]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Run:
    """One training of one trial, as it stands on record; attempts that go on from each other are one training.

    Attributes:
        id: The same for the same training, whichever process writes it: campaign, trial, the training's first attempt.
        name: For people: strategy, seed, trial.
        trial: The trial's number.
        attempt: The training's first attempt.
        group: The campaign's folder below the sweep's.
        sweep: The sweep's name.
        sweep_folder: The sweep's folder.
        config: The campaign's configuration, without secrets.
        params: The trial's parameters.
        tags: What the run is found by: data set, networks, strategy, ...
        epochs: Figures of each epoch on record, by the epoch's number from 0, in order.
        status: running, complete, pruned or failed.
        summary: What is known of the whole run; costs and test scores come when it has ended. Absent is left out.
    """

    id: str
    name: str
    trial: int
    attempt: int
    group: str
    sweep: str
    sweep_folder: Path
    config: Mapping[str, Any]
    params: Mapping[str, ParamValue]
    tags: Mapping[str, str]
    epochs: Mapping[int, Figures]
    status: str
    summary: Mapping[str, float | str | bool]

    @property
    def has_ended(self) -> bool:
        """Whether no attempt will go on with it."""
        return self.status != "running"

    @property
    def last_epoch(self) -> int:
        """The last epoch on record; 0 where there is none."""
        return max(self.epochs, default=0)

    def numbers(self) -> dict[str, float]:
        """Returns the figures of the summary."""
        return {
            name: float(value)
            for name, value in self.summary.items()
            if isinstance(value, int | float) and not isinstance(value, bool)
        }

    def words(self) -> dict[str, str]:
        """Returns what stands in the summary in words."""
        return {
            name: str(value).lower() if isinstance(value, bool) else value
            for name, value in self.summary.items()
            if isinstance(value, bool | str)
        }


class Logger(ABC):
    """Writes runs where people look.

    A logger is built before anything is trained, so that a library that is missing is found out then, and again by each
    process that trains. Building one writes nothing.

    Attributes:
        live: Whether a run is written after every epoch, or only when it has ended.
    """

    live: bool = True
    option: ClassVar[str]

    @abstractmethod
    def write(self, run: Run) -> None:
        """Brings the tracker up to what is on record of a run; what it has already is not written twice.

        It is called with the same run again and again: after an epoch, at the run's end, when the campaign has been
        tested, and by whoever logs a finished sweep anew.
        """

    @abstractmethod
    def close(self) -> None:
        """Closes whatever is open; `write` opens it again."""


def load_library(module: str, option: str) -> Any:
    """Imports an optional library.

    Args:
        module: The module's name.
        option: The logger that needs it, and the extra that brings it.

    Raises:
        ConfigError: It is not installed, or cannot be imported.
    """
    library = module.partition(".")[0]
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ConfigError(f'logger={option}: {library} is not installed; pip install "greenkd[{option}]"') from error
    except ImportError as error:
        raise ConfigError(f"logger={option}: {library} cannot be imported: {error}") from error
