"""Runs as TensorBoard's event files (optional: `pip install "greenkd[tensorboard]"`)."""

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from greenkd.identity import flatten
from greenkd.loggers.base import Logger, Run, load_library

# What the tab HPARAMS sets against the parameters.
_COMPARED = ("validation/score", "test/score", "cost/energy_kwh", "cost/cpu_s")
_PARAMETERS = ("training", "objective", "temperature")
_READER = "tensorboard.backend.event_processing.event_accumulator"


@dataclasses.dataclass
class _OpenRun:
    """A run's event file.

    Attributes:
        writer: Appends to it.
        last: The step of each figure that TensorBoard has already, the largest; also from earlier files of the run.
    """

    writer: Any
    last: dict[str, int]


class TensorBoard(Logger):
    """Writes scalars after every epoch, the configuration as text, and parameters for the tab HPARAMS.

    Args:
        folder: Where runs lie; None: `tensorboard` in the sweep's folder.

    Raises:
        ConfigError: TensorBoard is not installed.
    """

    option = "tensorboard"

    def __init__(self, folder: str | None = None) -> None:
        self._folder = folder
        load_library("tensorboard", self.option)
        self._tensorboard = load_library("torch.utils.tensorboard", self.option)
        self._summaries = load_library("torch.utils.tensorboard.summary", self.option)
        self._events = load_library(_READER, self.option)
        self._open: dict[str, _OpenRun] = {}

    def write(self, run: Run) -> None:
        """Appends what the run's event files lack."""
        if run.id not in self._open:
            self._open[run.id] = self._begin(run)
        opened = self._open[run.id]

        for epoch, figures in run.epochs.items():
            self._add(opened, figures, epoch)
        self._add(opened, run.numbers(), run.last_epoch)
        opened.writer.flush()
        if run.has_ended:
            self._open.pop(run.id).writer.close()

    def close(self) -> None:
        """Closes the event files of runs that have not ended."""
        while self._open:
            self._open.popitem()[1].writer.close()

    def _begin(self, run: Run) -> _OpenRun:
        place = Path(self._folder) if self._folder else run.sweep_folder / "tensorboard"
        folder = place / run.group / (f"trial{run.trial}-attempt{run.attempt}" if run.attempt else f"trial{run.trial}")
        last = self._last_steps(folder)

        opened = _OpenRun(self._tensorboard.SummaryWriter(str(folder)), last)
        if not last:
            text = yaml.safe_dump(dict(run.config), sort_keys=False, allow_unicode=True)
            opened.writer.add_text("configuration", "".join(f"    {line}\n" for line in text.splitlines()))
            for summary in self._summaries.hparams(_hparams(run), dict.fromkeys(_COMPARED, 0.0)):
                opened.writer.file_writer.add_summary(summary)
        return opened

    def _last_steps(self, folder: Path) -> dict[str, int]:
        if not any(folder.glob("events.out.*")):
            return {}
        read = self._events.EventAccumulator(str(folder), {self._events.SCALARS: 0})
        read.Reload()
        return {tag: max(event.step for event in read.Scalars(tag)) for tag in read.Tags()["scalars"]}

    @staticmethod
    def _add(opened: _OpenRun, figures: Mapping[str, float], step: int) -> None:
        for name, value in figures.items():
            if step > opened.last.get(name, -1):
                opened.writer.add_scalar(name, value, step)
                opened.last[name] = step


def _hparams(run: Run) -> dict[str, Any]:
    """Returns the parameters that tell runs apart, in the types that TensorBoard knows."""
    settings = flatten({group: run.config[group] for group in _PARAMETERS if group in run.config})
    values: dict[str, Any] = {**run.tags, **dict(settings), **run.params}
    return {
        name: value if isinstance(value, bool | int | float | str) else str(value) for name, value in values.items()
    }
