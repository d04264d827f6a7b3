"""Shows a campaign's trials in TensorBoard and the like, while it runs: never at the cost of a training.

What it takes is the campaign's overhead in the ledger. A logger that fails is given up by this process, with one
warning; results do not depend on it, and `greenkd log` writes what it lacks from the records.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator
from pathlib import Path

from greenkd.energy import EnergyMonitor
from greenkd.loggers import Logger, Run, RunReader
from greenkd.records import Phase
from greenkd.temperature import Params
from greenkd.whereabouts import tools_command

log = logging.getLogger(__name__)


class RunLog:
    """The loggers of one campaign in one process.

    Args:
        loggers: By name; this process's own.
        folder: The campaign's.
        monitor: Open; records what logging takes.
    """

    def __init__(self, loggers: dict[str, Logger], folder: Path, monitor: EnergyMonitor) -> None:
        self._loggers = dict(loggers)
        self._folder = folder
        self._monitor = monitor
        self._reader: RunReader | None = None

    def epoch_finished(self, trial: int, params: Params) -> None:
        """Shows a trial's last epoch, in loggers that show trials while they train."""
        live = [name for name, logger in self._loggers.items() if logger.live]
        self._write(live, lambda reader: [reader.last_run(trial, params)])

    def trial_finished(self, trial: int, params: Params) -> None:
        """Shows how a trial has ended."""
        self._write(list(self._loggers), lambda reader: [reader.last_run(trial, params)])

    def campaign_finished(self) -> None:
        """Shows every trial again: with its test score, and whatever other processes have not shown of it."""
        self._write(list(self._loggers), RunReader.runs)

    def close(self) -> None:
        """Closes what is open, before other processes may go on with these trials."""
        for name in list(self._loggers):
            with self._giving_up(name):
                self._loggers[name].close()

    def _write(self, names: list[str], read: Callable[[RunReader], list[Run]]) -> None:
        if not names:
            return

        with self._monitor.phase(Phase.OVERHEAD):
            runs: list[Run] = []
            with self._giving_up(*names):
                self._reader = self._reader or RunReader(self._folder)
                runs = read(self._reader)
            for name in names:
                with self._giving_up(name):
                    for run in runs:
                        self._loggers[name].write(run)

    @contextlib.contextmanager
    def _giving_up(self, *names: str) -> Iterator[None]:
        """Lets go of loggers where its block fails."""
        try:
            yield
        except Exception as error:  # whatever a client or its server dies of, the training goes on
            first = (str(error).splitlines() or [""])[0]
            log.warning(
                "logger=%s failed (%s: %s); training goes on without it. Later: %s log %s logger=%s",
                ",".join(names),
                type(error).__name__,
                first,
                tools_command(),
                self._folder,
                names[0],
            )
            log.debug("logger=%s", names, exc_info=error)
            for name in names:
                self._loggers.pop(name, None)
