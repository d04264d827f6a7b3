"""Campaigns that are logged, read back with each client's own reader; a logger changes nothing and stops nothing."""

import importlib.util
import inspect
import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from omegaconf import OmegaConf

from greenkd import loggers
from greenkd.errors import ConfigError, TrainingInterruptedError
from greenkd.identity import campaign_id
from greenkd.loggers import TARGETS, Logger, Run, RunReader
from greenkd.loggers.command import main as log_anew
from greenkd.loggers.reader import without_secrets
from greenkd.records import EpochRow, LedgerRow, Phase, read_rows
from greenkd.sweep.passwords import password_problem
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import Campaign, composed

GRID = ("temperature=grid", "temperature.taus=[2,4]")
# MLflow takes more than a minute to install, so that it is no part of the extra `dev`.
needs_mlflow = pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is None, reason='needs MLflow: pip install -e ".[mlflow]"'
)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """A grid that nothing logs."""
    return Campaign(tmp_path_factory.mktemp("plain"), *GRID)


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    """The same grid, logged by three, stopped in its second trial and taken up again."""
    root = tmp_path_factory.mktemp("logged")
    words = (*GRID, "logger=[tensorboard,wandb,csv]")
    with pytest.raises(TrainingInterruptedError):
        Campaign(root, *words, stop=StopInSecondTrial(root))
    return Campaign(root, *words)


class StopInSecondTrial(StopFlag):
    """Asks for a stop as soon as the second trial has an epoch on record."""

    def __init__(self, root: Path) -> None:
        super().__init__()
        self._root = root

    def check(self) -> None:
        for file in self._root.rglob("epochs.jsonl"):
            if any(row.trial == 1 for row in read_rows(file, EpochRow).rows):
                self.set("SIGTERM")
        super().check()


def sweep_of(campaign: Campaign) -> Path:
    return campaign.folder.parents[4]


def run_ids(campaign: Campaign) -> list[str]:
    return [run.id for run in RunReader(campaign.folder).runs()]


def test_logging_changes_no_result_and_no_id(plain: Campaign, logged: Campaign) -> None:
    assert logged.record.campaign_id == plain.record.campaign_id
    assert logged.record.tests == plain.record.tests
    expected = {(row.trial, row.epoch): (row.train_loss, row.val_loss) for row in plain.epochs}
    assert {(row.trial, row.epoch): (row.train_loss, row.val_loss) for row in logged.epochs} == expected
    assert campaign_id(composed("logger=many")) == campaign_id(composed())


def test_a_training_that_goes_on_is_one_run(logged: Campaign) -> None:
    assert len([row for row in logged.trials if row.trial == 1]) == 2, "it was not interrupted where it should be"
    runs = RunReader(logged.folder).runs()
    assert [(run.trial, run.attempt, run.status, list(run.epochs)) for run in runs] == [
        (0, 0, "complete", [0, 1]),
        (1, 0, "complete", [0, 1]),
    ]


def test_tensorboard_shows_every_epoch_once(logged: Campaign) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    for trial in (0, 1):
        folder = sweep_of(logged) / "tensorboard" / logged.folder.relative_to(sweep_of(logged)) / f"trial{trial}"
        read = EventAccumulator(str(folder))
        read.Reload()
        losses = {row.epoch: row.train_loss for row in logged.epochs if row.trial == trial}
        assert [event.step for event in read.Scalars("train/loss")] == [0, 1]
        assert [event.value for event in read.Scalars("train/loss")] == pytest.approx(list(losses.values()))
        assert [event.value for event in read.Scalars("tau/mean")] == [(2, 4)[trial]] * 2
        (score,) = read.Scalars("test/score")
        assert score.value == pytest.approx(logged.record.tests[trial].score)
        (energy,) = read.Scalars("cost/energy_kwh")
        rows = [row for row in logged.trials if row.trial == trial]
        assert energy.value == pytest.approx(sum(row.energy_kwh or 0 for row in rows))
        assert "_hparams_/session_start_info" in read.PluginTagToContent("hparams")


def wandb_records(file: Path) -> Iterator[Any]:
    """Yields what stands in the file of an offline run: protocol buffers in blocks of LevelDB's log format."""
    from wandb.proto import wandb_internal_pb2

    content, position, parts = file.read_bytes(), 7, b""
    while position + 7 <= len(content):
        left = 32768 - position % 32768
        if left < 7:
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        if kind == 0:
            position += left
            continue
        parts += content[position + 7 : position + 7 + length]
        position += 7 + length
        if kind in (1, 4):  # a whole record, or its last part
            record = wandb_internal_pb2.Record()
            record.ParseFromString(parts)
            parts = b""
            yield record


def test_wandb_keeps_one_offline_run_per_trial(logged: Campaign) -> None:
    folders = sorted((sweep_of(logged) / "wandb").glob("offline-run-*"))
    assert sorted(folder.name.split("-", 3)[3] for folder in folders) == run_ids(logged)

    for folder in folders:
        (file,) = folder.glob("*.wandb")
        records = list(wandb_records(file))
        (run,) = [record.run for record in records if record.HasField("run")][:1]
        trial = int(run.run_id.split("trial")[1].split("-")[0])
        assert run.run_group == logged.folder.relative_to(sweep_of(logged)).as_posix()
        config = {item.key: json.loads(item.value_json) for item in run.config.update}
        assert config["params"] == {"tau": (2, 4)[trial]}
        history = [
            {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in record.history.item}
            for record in records
            if record.HasField("history")
        ]
        losses = [row.train_loss for row in logged.epochs if row.trial == trial]
        assert [row["train/loss"] for row in history] == losses
        summary = {
            item.key or "/".join(item.nested_key): json.loads(item.value_json)
            for record in records
            if record.HasField("summary")
            for item in record.summary.update
        }
        assert summary["test/score"] == logged.record.tests[trial].score
        assert summary["chosen"] is (trial == logged.record.chosen_trial)


def test_csv_files_can_be_put_below_each_other(logged: Campaign) -> None:
    folder = sweep_of(logged) / "csv"
    epochs = pd.concat(map(pd.read_csv, sorted((folder / "epochs").glob("*.csv"))))
    assert epochs["tau"].tolist() == [2, 2, 4, 4]
    assert epochs["epoch"].tolist() == [0, 1, 0, 1]
    results = pd.concat(map(pd.read_csv, sorted((folder / "results").glob("*.csv"))))
    assert results["test/score"].tolist() == [test.score for test in logged.record.tests]
    assert results["chosen"].sum() == 1


def test_what_logging_takes_is_overhead(plain: Campaign, logged: Campaign) -> None:
    def seconds(campaign: Campaign, phase: Phase) -> float:
        rows = read_rows(campaign.folder / "ledger.jsonl", LedgerRow).rows
        return sum(row.cpu_s or 0 for row in rows if row.phase is phase)

    assert seconds(logged, Phase.OVERHEAD) > seconds(plain, Phase.OVERHEAD)


def test_a_logger_that_fails_is_given_up_with_one_warning(
    plain: Campaign, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    calls = []

    def write(_: Logger, run: Run) -> None:
        calls.append(run.id)
        if len(calls) == 2:
            raise OSError("the server is gone")

    monkeypatch.setattr(loggers.TensorBoard, "write", write)
    campaign = Campaign(tmp_path, *GRID, "logger=many")
    assert len(calls) == 2
    assert [record.message for record in caplog.records if "the server is gone" in record.message] == [
        f"logger=tensorboard failed (OSError: the server is gone); training goes on without it. "
        f"Later: python -m greenkd log {campaign.folder} logger=tensorboard"
    ]
    assert campaign.record.tests == plain.record.tests
    assert len(list((sweep_of(campaign) / "csv" / "results").glob("*.csv"))) == 2, "the other one went on"


@pytest.mark.parametrize("name", ["tensorboard", "wandb", "mlflow"])
def test_a_missing_library_is_answered_with_what_to_type(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.setitem(sys.modules, f"{name}.tracking", None)
    from greenkd.campaign.reading import read_settings

    with pytest.raises(ConfigError, match=rf'logger={name}: {name} is not installed; pip install "greenkd\[{name}\]"'):
        read_settings(composed(f"logger={name}"))


def test_mistakes_are_answered_before_anything_is_trained(monkeypatch: pytest.MonkeyPatch) -> None:
    from greenkd.campaign.reading import read_settings

    with pytest.raises(ConfigError, match=r"logger\.wandb\.mode='onlin'.*'offline' or 'online'"):
        read_settings(composed("logger=wandb", "logger.wandb.mode=onlin"))
    with pytest.raises(ConfigError, match="choose from none, csv"):
        read_settings(composed() | {"logger": "tensorboard"})
    monkeypatch.setenv("WANDB_API_KEY", "")
    monkeypatch.setenv("NETRC", "/dev/null")
    with pytest.raises(ConfigError, match="nobody is logged in"):
        read_settings(composed("logger=wandb", "logger.wandb.mode=online"))


def test_options_say_what_classes_do_by_default() -> None:
    for name, target in TARGETS.items():
        option = composed(f"logger={name}")["logger"][name]
        assert option.pop("_target_") == target
        signature = inspect.signature(getattr(loggers, target.rpartition(".")[2]))
        assert option == {key: parameter.default for key, parameter in signature.parameters.items()}


def test_a_finished_sweep_is_logged_from_its_records(
    plain: Campaign, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log_anew([str(sweep_of(plain)), "logger=[tensorboard,csv]", f"logger.tensorboard.folder={tmp_path}"])
    assert "logged: 2 runs of 1 campaigns to tensorboard, csv" in capsys.readouterr().out
    assert len(list(tmp_path.rglob("events.out.*"))) == 2
    results = pd.concat(map(pd.read_csv, sorted((sweep_of(plain) / "csv" / "results").glob("*.csv"))))
    assert results["test/score"].tolist() == [test.score for test in plain.record.tests]


@pytest.mark.parametrize(
    ("words", "answer"),
    [
        (["logger=tensorbord"], "logger=tensorbord: give logger=<name>, of csv, mlflow"),
        (["wandb.project=x"], "no logger is chosen"),
        (["logger=csv", "logger.wandb.project=x"], r"give settings of the chosen loggers, as in logger\.csv"),
        (["logger=csv", "logger.csv.folder=x"], r"logger\.csv\.folder is not a setting"),
    ],
)
def test_words_of_the_command_that_are_wrong(plain: Campaign, words: list[str], answer: str) -> None:
    with pytest.raises(ConfigError, match=answer):
        log_anew([str(sweep_of(plain)), *words])


def test_a_password_in_a_setting_is_refused() -> None:
    config = OmegaConf.create({"storage": None, "logger": {"mlflow": {"tracking_uri": "https://me:pw@host"}}})
    assert "MLFLOW_TRACKING_PASSWORD" in (password_problem(config) or "")
    config.logger.mlflow.tracking_uri = "https://host"
    assert password_problem(config) is None


def test_no_secret_is_passed_on() -> None:
    config = {
        "storage": "postgresql://me:pw@host/studies",
        "dataset": {"_target_": "mine.load", "api_key": "abc", "roots": ["https://me:pw@host/x"], "token": None},
        "seed": 0,
    }
    assert without_secrets(config) == {
        "storage": "postgresql://host/studies",
        "dataset": {"_target_": "mine.load", "api_key": "(hidden)", "roots": ["https://host/x"], "token": None},
        "seed": 0,
    }


@needs_mlflow
def test_mlflow_finds_the_run_of_before(logged: Campaign) -> None:
    from mlflow.tracking import MlflowClient

    for _ in range(2):  # the second time there is nothing to add
        log_anew([str(sweep_of(logged)), "logger=mlflow"])

    client = MlflowClient(f"sqlite:///{sweep_of(logged)}/mlflow.db")
    experiment = client.get_experiment_by_name("default")
    runs = client.search_runs([experiment.experiment_id], order_by=["tags.trial"])
    assert [run.data.tags["greenkd.run"] for run in runs] == run_ids(logged)
    for trial, run in enumerate(runs):
        assert run.info.status == "FINISHED"
        assert run.data.params["tau"] == str((2, 4)[trial])
        history = client.get_metric_history(run.info.run_id, "train/loss")
        assert [(metric.step, metric.value) for metric in history] == [
            (row.epoch, row.train_loss) for row in logged.epochs if row.trial == trial
        ]
        assert run.data.metrics["test/score"] == logged.record.tests[trial].score


def test_a_trial_trained_anew_is_another_run(plain: Campaign, tmp_path: Path) -> None:
    for name in ("campaign.json", "config.yaml", "ledger.jsonl"):
        (tmp_path / name).write_bytes((plain.folder / name).read_bytes())

    import dataclasses

    from greenkd.records import TrialStatus, append_row

    def put(attempt: int, epochs: int, status: TrialStatus | None) -> None:
        for epoch in range(epochs):
            row = dataclasses.replace(plain.epochs[0], attempt=attempt, epoch=epoch, train_loss=attempt + epoch / 10)
            append_row(tmp_path / "epochs.jsonl", row)
        if status is not None:
            append_row(tmp_path / "trials.jsonl", dataclasses.replace(plain.trials[0], attempt=attempt, status=status))

    put(0, 1, None)  # killed
    put(1, 2, TrialStatus.FAILED)
    put(2, 1, TrialStatus.INTERRUPTED)
    runs = RunReader(tmp_path).runs()
    assert [(run.attempt, run.status, len(run.epochs)) for run in runs] == [(0, "failed", 2), (2, "running", 1)]
    assert runs[0].epochs[0]["train/loss"] == 1.0, "of the attempt that went on"
    assert "test/score" not in runs[0].summary
