"""Every option of the groups `student` and `teacher` composes, builds, and has the size its comment says."""

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hydra
import pytest
import torch
from hydra.core.global_hydra import GlobalHydra
from omegaconf import OmegaConf
from torch import nn

from greenkd import models
from greenkd.components import build
from scripts.network_table import count_macs, count_parameters

ROOT = Path(__file__).parents[2]
CONF, PAGE = ROOT / "conf", ROOT / "docs" / "networks.md"
GROUPS = ("student", "teacher")
STUDENTS = sorted(file.stem for file in (CONF / "student").glob("*.yaml"))
TEACHERS = sorted(file.stem for file in (CONF / "teacher").glob("*.yaml"))
SIZE = re.compile(r"# ([\d,]+) parameters, ([\d.,]+) MMAC \((\d)×(\d+)×\d+, (\d+) classes\)\.")


@pytest.fixture(autouse=True)
def conf() -> Iterator[None]:
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def compose(*overrides: str) -> dict[str, Any]:
    config = OmegaConf.to_container(hydra.compose(overrides=list(overrides)), resolve=True)
    assert isinstance(config, dict)
    return config


def construct(option: dict[str, Any], *, classes: int, channels: int, size: int) -> nn.Module:
    config = {key: value for key, value in option.items() if key not in ("name", "weights")}
    given = {"num_classes": classes, "in_channels": channels, "image_size": size}
    with torch.device("meta"):
        return build(config, where="student", expect=nn.Module, given=given)


def test_there_is_an_option_for_every_network() -> None:
    assert set(STUDENTS) == {network.__name__ for network in models.NETWORKS} | {"timm"}
    assert TEACHERS == STUDENTS


@pytest.mark.parametrize("name", STUDENTS)
def test_teacher_is_the_student_of_that_name_with_weights(name: str) -> None:
    config = compose(f"+student={name}", f"+teacher={name}")
    assert set(config) == {"student", "teacher"}
    assert config["teacher"] == {**config["student"], "weights": None}
    assert config["student"]["name"] == ("timm_resnet10t" if name == "timm" else name)


@pytest.mark.parametrize("name", STUDENTS)
def test_option_builds_a_network(name: str) -> None:
    option = compose(f"+student={name}")["student"]
    assert isinstance(construct(option, classes=10, channels=3, size=32), nn.Module)


@pytest.mark.parametrize("name", sorted(set(STUDENTS) - {"timm"}))
def test_comments_state_the_size(name: str) -> None:
    student, teacher = ((CONF / g / f"{name}.yaml").read_text(encoding="utf-8").splitlines() for g in GROUPS)
    assert student[0] == teacher[0]
    assert student[2] == teacher[2]
    stated = SIZE.fullmatch(student[2])
    assert stated is not None
    parameters, mmac = (float(group.replace(",", "")) for group in stated.groups()[:2])
    channels, size, classes = (int(group) for group in stated.groups()[2:])
    if (channels, size, classes) == (3, 32, 100):
        # test_table.py recomputes these.
        row = next(line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith(f"| `{name}` |"))
        _, _, _, expected_parameters, expected_mmac, *_ = (cell.strip().replace(",", "") for cell in row.split("|"))
    else:
        option = compose(f"+student={name}")["student"]
        network = construct(option, classes=classes, channels=channels, size=size)
        expected_parameters, expected_mmac = count_parameters(network), count_macs(network, channels, size) / 1e6
    assert parameters == float(expected_parameters)
    assert mmac == pytest.approx(float(expected_mmac), rel=6e-3)


def test_options_set_what_the_functions_default_to() -> None:
    for network in models.NETWORKS:
        option = OmegaConf.load(CONF / "student" / f"{network.__name__}.yaml")
        own = {key: value for key, value in option.items() if key not in ("name", "_target_")}
        defaults = inspect.signature(network).parameters
        assert own == {key: defaults[key].default for key in list(defaults)[3:]}


@pytest.mark.parametrize("group", GROUPS)
def test_commands_in_the_comments_name_this_option_and_others_that_exist(group: str) -> None:
    for file in (CONF / group).glob("*.yaml"):
        command = file.read_text(encoding="utf-8").splitlines()[1]
        assert command.startswith("# python run.py dataset=")
        words = dict(word.split("=") for word in command.split()[3:])
        assert words[group] == file.stem
        assert words["student"] in STUDENTS
        assert words["teacher"] in TEACHERS


def test_command_line_overrides_reach_both_groups() -> None:
    config = compose("+student=tiny_cnn", "student.width=3", "+teacher=timm", "teacher.arch=resnet18")
    assert config["student"]["width"] == 3
    assert config["teacher"]["arch"] == "resnet18"
    assert config["teacher"]["name"] == "timm_resnet18"
