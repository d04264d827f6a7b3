"""Runs as CSV files, for a spreadsheet or R: one of epochs and one of results for each run."""

import csv
import io
from collections.abc import Mapping, Sequence
from typing import Any

from greenkd.loggers.base import Logger, Run
from greenkd.records import make_folder, write_text


class Csv(Logger):
    """Writes `csv/epochs/<run>.csv` and `csv/results/<run>.csv` into the sweep's folder when a run has ended.

    Every line bears the run's labels and parameters, so that files can be put below each other as they are.
    """

    live = False
    option = "csv"

    def write(self, run: Run) -> None:
        """Replaces the files of a run that has ended.

        Raises:
            StorageError: They cannot be written.
        """
        if not run.has_ended:
            return

        labels: dict[str, Any] = {"run": run.id, **run.tags, **run.params}
        epochs = [{**labels, "epoch": epoch, **figures} for epoch, figures in run.epochs.items()]
        for name, lines in (("epochs", epochs), ("results", [{**labels, **run.summary}])):
            folder = run.sweep_folder / "csv" / name
            make_folder(folder)
            write_text(folder / f"{run.id}.csv", _text(lines))

    def close(self) -> None:
        """Does nothing: files are written as a whole."""


def _text(lines: Sequence[Mapping[str, Any]]) -> str:
    columns = list(dict.fromkeys(name for line in lines for name in line))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(lines)
    return text.getvalue()
