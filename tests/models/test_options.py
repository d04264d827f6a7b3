"""Every option of the groups `student` and `teacher` composes, to what it always was, and builds."""

import functools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import hydra
import pytest
import torch
from hydra.core.config_loader import ConfigLoader
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import MissingConfigException
from omegaconf import DictConfig, OmegaConf
from torch import nn

from greenkd import models
from greenkd.anchors import ANCHOR_GRIDS
from greenkd.components import build
from greenkd.configuration import register_configuration
from greenkd.identity import without_new_defaults
from tests.commands import typed

ROOT = Path(__file__).parents[2]
CONF = ROOT / "conf"
GROUPS = ("student", "teacher")
# What each option composed to when it was a file, in greenkd 0.1: campaigns are identified by it.
RECORDED: dict[str, dict[str, dict[str, Any]]] = json.loads(
    (Path(__file__).parent / "options.json").read_text(encoding="utf-8")
)
NAMES = sorted({*models.NETWORKS, "timm"})


@pytest.fixture(autouse=True)
def conf() -> Iterator[None]:
    register_configuration()
    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
        yield


def compose(*overrides: str) -> DictConfig:
    return hydra.compose(overrides=list(overrides))


@functools.cache
def _pair(name: str) -> DictConfig:
    return compose(f"+student={name}", f"+teacher={name}")


def option_of(group: str, name: str, *, resolve: bool = True) -> dict[str, Any]:
    """Returns one option, composed in both groups once: composing takes Hydra long."""
    pair = OmegaConf.to_container(_pair(name), resolve=resolve)
    assert isinstance(pair, dict)
    assert set(pair) == set(GROUPS)
    option = pair[group]
    assert isinstance(option, dict)
    return cast("dict[str, Any]", option)


def listed(group: str) -> list[str]:
    loader: ConfigLoader = GlobalHydra.instance().config_loader()
    return loader.get_group_options(group)


@pytest.mark.parametrize("group", GROUPS)
def test_there_is_an_option_for_every_network(group: str) -> None:
    assert listed(group) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_option_is_the_recorded_one_and_a_teacher_the_student_of_that_name_with_weights(name: str) -> None:
    for group in GROUPS:
        if name in RECORDED[group]:
            option = without_new_defaults(option_of(group, name, resolve=False), f"{group}.")
            assert list(option.items()) == list(RECORDED[group][name].items())

    student = option_of("student", name)
    assert option_of("teacher", name) == {**student, "weights": None}
    assert student["name"] == ("timm_resnet10t" if name == "timm" else name)


def test_all_that_were_recorded_are_there() -> None:
    assert all(set(RECORDED[group]) <= set(NAMES) for group in GROUPS)


@pytest.mark.parametrize("name", NAMES)
def test_option_builds_a_network(name: str) -> None:
    option = option_of("student", name)
    option.pop("name")
    given: dict[str, object] = {"num_classes": 10, "in_channels": 3, "image_size": 32}
    if name in models.NETWORK_CARDS and models.NETWORK_CARDS[name].task == "detection":
        given["anchors"] = ANCHOR_GRIDS[models.NETWORK_CARDS[name].anchors]
    with torch.device("meta"):
        network = build(option, where="student", expect=nn.Module, given=given)
    assert isinstance(network, nn.Module)


def test_command_line_overrides_reach_both_groups() -> None:
    config = compose("+student=tiny_cnn", "student.width=3", "+teacher=timm", "teacher.arch=resnet18")
    assert config["student"]["width"] == 3
    assert config["teacher"]["arch"] == "resnet18"
    assert config["teacher"]["name"] == "timm_resnet18"


def test_a_mistyped_name_is_answered_with_those_there_are() -> None:
    with pytest.raises(MissingConfigException, match="Could not find 'student/resnet2O'") as refusal:
        compose("+student=resnet2O")
    assert all(f"\t{name}\n" in f"{refusal.value}\n" for name in NAMES)


@pytest.mark.parametrize(
    ("group", "defaults"),
    [
        ("student", ["resnet20", "_self_"]),
        ("student", ["/student/resnet20@_here_", "_self_"]),
        ("teacher", ["/student/resnet20@_here_", "_self_"]),
        ("teacher", ["resnet20", "_self_"]),
    ],
)
def test_a_file_of_ones_own_stands_beside_the_networks(tmp_path: Path, group: str, defaults: list[str]) -> None:
    (tmp_path / group).mkdir()
    OmegaConf.save({"defaults": defaults, "name": "mine", "further": 1}, tmp_path / group / "mine.yaml")

    GlobalHydra.instance().clear()
    with hydra.initialize_config_dir(str(tmp_path), version_base="1.3"):
        option = OmegaConf.to_container(compose(f"+{group}=mine")[group])
        names = listed(group)

    assert isinstance(option, dict)
    assert option.pop("weights", None) is None
    assert option == {"name": "mine", "_target_": "greenkd.models.resnet20", "further": 1}
    assert names == sorted({*models.NETWORKS, "mine"})  # timm's file lies in conf/


def test_the_command_finds_options_of_a_folder_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "student").mkdir()
    OmegaConf.save({"name": "mine", "_target_": "my_package.Net"}, tmp_path / "student" / "mine.yaml")

    command = ("--config-dir", str(tmp_path), "student=mine", "teacher=resnet8")
    answers = [
        typed(*command, *words, cwd=tmp_path).stdout
        for words in (("--cfg", "job", "--package", "student"), ("--help",))
    ]

    assert "_target_: my_package.Net" in answers[0]
    (students,) = (line for line in answers[1].splitlines() if line.startswith("student: "))
    assert students == f"student: {', '.join(sorted([*NAMES, 'mine']))}"
