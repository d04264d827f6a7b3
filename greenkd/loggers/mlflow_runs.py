"""Runs in MLflow (optional: `pip install "greenkd[mlflow]"`): a server's, or an SQLite file in the sweep's folder.

MLflow's folder of files (`mlruns`) is refused by its current versions, so the file of a sweep is a database.
"""

import contextlib
import dataclasses
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from greenkd.identity import flatten
from greenkd.locks import FileLocks
from greenkd.loggers.base import Logger, Run, load_library
from greenkd.records import make_folder

_RUN_TAG = "greenkd.run"
_LONGEST_PARAM = 500  # characters; what every store takes
_AT_ONCE = 100  # parameters, or metrics, in one request
_STATUS = {"complete": "FINISHED", "pruned": "FINISHED", "failed": "FAILED"}


@dataclasses.dataclass
class _OpenRun:
    """A run in MLflow.

    Attributes:
        run_id: MLflow's own number.
        next_epoch: The first that it does not have.
        known: The last value of each figure that it has.
    """

    run_id: str
    next_epoch: int
    known: dict[str, float]


class MLflow(Logger):
    """Writes metrics after every epoch, and parameters and tags; a sweep is an experiment.

    A name and a password for a server are read by MLflow itself from MLFLOW_TRACKING_USERNAME and
    MLFLOW_TRACKING_PASSWORD.

    Args:
        tracking_uri: A server's address or a database; None: that of MLFLOW_TRACKING_URI, else `mlflow.db` in the
            sweep's folder.
        experiment: Its name; None: the sweep's.

    Raises:
        ConfigError: MLflow is not installed.
    """

    option = "mlflow"

    def __init__(self, tracking_uri: str | None = None, experiment: str | None = None) -> None:
        self._uri = tracking_uri
        self._experiment = experiment
        self._tracking = load_library("mlflow.tracking", self.option)
        self._entities = load_library("mlflow.entities", self.option)
        self._open: dict[str, _OpenRun] = {}
        self._clients: dict[str, Any] = {}

    def write(self, run: Run) -> None:
        """Sends what MLflow lacks of a run."""
        client = self._client(run)
        if run.id not in self._open:
            self._open[run.id] = self._begin(client, run)
        opened = self._open[run.id]

        # Epochs, then what is known of the whole
        for epoch, figures in run.epochs.items():
            if epoch >= opened.next_epoch:
                self._send(client, opened, figures, epoch)
                opened.next_epoch = epoch + 1
        if run.has_ended:
            new = {name: value for name, value in run.numbers().items() if opened.known.get(name) != value}
            self._send(client, opened, new, run.last_epoch)
            for name, text in run.words().items():
                client.set_tag(opened.run_id, name, text)
            client.set_terminated(opened.run_id, _STATUS[run.status])
            del self._open[run.id]

    def close(self) -> None:
        """Lets go of runs that have not ended; they stay `RUNNING` until somebody goes on with them."""
        self._open.clear()

    def _client(self, run: Run) -> Any:
        uri = self._uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{_database(run.sweep_folder)}"
        if uri not in self._clients:
            with _alone(run.sweep_folder, uri):
                self._clients[uri] = self._tracking.MlflowClient(tracking_uri=uri)
                self._clients[uri].search_experiments(max_results=1)  # makes the tables of a new database
        return self._clients[uri]

    def _begin(self, client: Any, run: Run) -> _OpenRun:
        experiment_id = self._experiment_id(client, run)
        found = client.search_runs([experiment_id], f"tags.`{_RUN_TAG}` = '{run.id}'", max_results=1)
        if found:
            run_id, known = found[0].info.run_id, dict(found[0].data.metrics)
            steps = [metric.step for metric in client.get_metric_history(run_id, "train/loss")]
            client.set_terminated(run_id, "RUNNING")
            return _OpenRun(run_id, max(steps, default=-1) + 1, known)

        tags = {_RUN_TAG: run.id, "group": run.group, **run.tags}
        run_id = client.create_run(experiment_id, tags=tags, run_name=run.name).info.run_id
        params = [
            self._entities.Param(name, str(value)[:_LONGEST_PARAM])
            for name, value in (dict(flatten(run.config)) | dict(run.params)).items()
        ]
        for first in range(0, len(params), _AT_ONCE):
            client.log_batch(run_id, params=params[first : first + _AT_ONCE])
        return _OpenRun(run_id, 0, {})

    def _experiment_id(self, client: Any, run: Run) -> str:
        name = self._experiment or run.sweep
        with _alone(run.sweep_folder, ""):
            experiment = client.get_experiment_by_name(name)
            return str(client.create_experiment(name) if experiment is None else experiment.experiment_id)

    def _send(self, client: Any, opened: _OpenRun, figures: Mapping[str, float], step: int) -> None:
        stamp = int(time.time() * 1000)
        metrics = [self._entities.Metric(name, value, stamp, step) for name, value in figures.items()]
        if metrics:
            client.log_batch(opened.run_id, metrics=metrics)
        opened.known |= figures


def _database(folder: Path) -> Path:
    return folder.resolve() / "mlflow.db"


@contextlib.contextmanager
def _alone(folder: Path, uri: str) -> Iterator[None]:
    """Holds a lock while tables or an experiment are made: processes of one sweep do so at the same moment."""
    make_folder(folder)
    name = f".mlflow{'-tables' if uri else ''}.lock"
    with FileLocks().lock(folder / name, name):
        yield
