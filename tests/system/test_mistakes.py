"""Plausible mistakes: each is answered in a line or two that name the cure, without a traceback, exit code not 0."""

import os
import tempfile
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from greenkd import models
from tests.system.conftest import QUICK, Run

pytestmark = pytest.mark.system

MISTAKES = {
    "unknown option": (["temperature=gird"], ["gird", "grid", "stochastic"]),
    "unknown group": (["temprature=grid"], ["temprature", "did you mean temperature?"]),
    "mistyped key": (["temperature.hgih=3"], ["hgih", "did you mean temperature.high?"]),
    "added key": (["+temperature.hgih=3"], ["temperature.hgih", "did you mean temperature.high?"]),
    "added root key": (["+sede=3"], ["sede", "did you mean"]),
    "negative τ": (["temperature=fixed", "temperature.tau=-1"], ["temperature.tau=-1", "greater than 0"]),
    "empty grid": (["temperature=grid", "temperature.taus=[]"], ["temperature.taus", "at least 1"]),
    "τ not a number": (["temperature=fixed", "temperature.tau=.nan"], ["temperature.tau", "number"]),
    "empty range": (["temperature.low=20", "temperature.high=2"], ["low=20 must be below high=2"]),
    "no such data folder": (
        ["dataset=cifar10", "teacher=resnet8", "student=resnet8", "data_dir=/no/such/folder"],
        ["/no/such/folder", "download=true"],
    ),
    "a setting of one of two options": (
        ["-m", "temperature=grid,stochastic", "temperature.taus=[2,4]"],
        ["temperature.taus", "hint:", "one after the other"],
    ),
    "no such device": (["device=cuda:99"], ["device=cuda:99", "cpu"]),
    "a password in the open": (
        ["storage=postgresql://me:hidden@host/studies"],
        ["${oc.env:GREENKD_STORAGE}", "PGPASSWORD"],
    ),
    "no such country": (["energy.country=XYZ"], ["XYZ"]),
    "epochs in words": (["training.epochs=ten"], ["training.epochs", "ten", "integer"]),
    "negative seed": (["seed=-1"], ["seed=-1", "from 0 on"]),
    "own class that is not there": (["student._target_=my_package.Net"], ["my_package", "PYTHONPATH"]),
    "network too deep for the image": (["student=vgg16"], ["vgg16", "16×16", "small_cnn"]),
    "search without a temperature": (
        ["objective=none", "temperature=grid"],
        ["has no temperature", "temperature=fixed"],
    ),
    "a missing weights file": (["teacher.weights=/no/weights.safetensors"], ["/no/weights.safetensors"]),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered(greenkd: Run, name: str) -> None:
    arguments, words = MISTAKES[name]
    answer = greenkd(*arguments, "sweep=mistakes", "energy=none")
    said = answer.stdout + answer.stderr
    assert answer.returncode not in (0, None), said
    assert "Traceback" not in said, said
    for word in words:
        assert word in said, said


def test_in_a_sweep_the_mistake_comes_before_any_training(greenkd: Run, base: Path) -> None:
    answer = greenkd("-m", "temperature=fixed", "temperature.tau=4,-1", "sweep=early", "energy=none")
    assert answer.returncode == 2
    assert "temperature.tau=-1" in answer.stdout + answer.stderr
    assert not list(base.glob("multirun/early/**/ledger.jsonl"))


def test_a_teacher_for_another_number_of_classes(greenkd: Run, tmp_path: Path) -> None:
    path = tmp_path / "teacher.safetensors"
    save_file(models.small_cnn(num_classes=7, in_channels=1, image_size=8).state_dict(), path)
    answer = greenkd("sweep=mistakes", "energy=none", f"teacher.weights={path}", *QUICK)
    said = answer.stdout + answer.stderr
    assert answer.returncode == 2, said
    assert "number of classes" in said
    assert "Traceback" not in said


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_unwritable_folder(greenkd: Run, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    answer = greenkd(f"hydra.run.dir={tmp_path}/out", "energy=none")
    assert answer.returncode == 2
    assert "cannot be written" in answer.stdout + answer.stderr


def test_an_output_folder_that_is_a_file(greenkd: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    answer = greenkd(f"hydra.run.dir={tmp_path}/file/out", "energy=none")
    said = answer.stdout + answer.stderr
    assert answer.returncode == 2, said
    assert "cannot be written" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    "arguments",
    [
        ["hydra.run.dir=s3://bucket/x"],
        ["-m", "temperature=fixed", "hydra.sweep.dir=gs://bucket/x"],
        ["cache_dir=file:///x"],
        ["hydra.run.dir=s3://bucket/x", "dry_run=true"],
    ],
)
def test_an_address_is_no_folder(greenkd: Run, base: Path, arguments: list[str]) -> None:
    before = set(base.iterdir())
    answer = greenkd(*arguments, "energy=none", "sweep=address")
    said = answer.stdout + answer.stderr
    assert answer.returncode == 2, said
    assert "an address, not a folder" in said
    assert "copy it there afterwards" in said
    assert set(base.iterdir()) <= before | {base / "multirun"}
    assert not list(base.glob("multirun/address/**/*.json"))


def test_a_campaign_in_a_folder_near_the_root(greenkd: Run) -> None:
    with tempfile.TemporaryDirectory(dir="/tmp", prefix="x") as folder:
        answer = greenkd(f"hydra.run.dir={folder}", "smoke=true", "temperature=fixed", "energy=cpu_time")
        said = answer.stdout + answer.stderr
        assert answer.returncode == 0, said
        assert "raised" not in said
        assert f"compare: python -m analysis {folder}" in answer.stdout.splitlines()[-1]
        assert {"campaign.json", "processes.jsonl"} <= {path.name for path in Path(folder).iterdir()}

        estimate = greenkd(f"hydra.run.dir={folder}", "smoke=true", "temperature=fixed", "seed=0", "estimate=true")
        assert estimate.returncode == 0, estimate.stdout + estimate.stderr
        assert "raised" not in estimate.stdout + estimate.stderr

        table = greenkd(folder, program=("-m", "analysis"))
        assert table.returncode == 0, table.stdout + table.stderr
        assert "fixed" in table.stdout


def test_a_traceback_for_those_who_ask(greenkd: Run) -> None:
    answer = greenkd("student._target_=torch.nn.Linear", "energy=none", "sweep=mistakes", HYDRA_FULL_ERROR="1")
    assert answer.returncode != 0


def test_given_weights_are_used(greenkd: Run, tmp_path: Path) -> None:
    torch.manual_seed(0)
    path = tmp_path / "teacher.safetensors"
    save_file(models.small_cnn(num_classes=10, in_channels=1, image_size=8).state_dict(), path)
    answer = greenkd("sweep=given", "energy=none", f"teacher.weights={path}", *QUICK)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "given" in answer.stdout
