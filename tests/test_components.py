import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import pydantic
import pytest
from torch import nn

from greenkd.components import build, check, read
from greenkd.errors import ConfigError
from greenkd.temperature import Strategy


class Widget:
    def __init__(self, size: Annotated[int, pydantic.Field(gt=0)], num_classes: int, label: str = "plain") -> None:
        self.size, self.num_classes, self.label = size, num_classes, label


class Holder:
    def __init__(self, part: Widget) -> None:
        self.part = part


HERE = f"{__name__}.Widget"


def make(**config: object) -> Widget:
    return build({"_target_": HERE, **config}, where="student", expect=Widget, given={"num_classes": 10})


def test_given_values_are_passed_and_configured_ones_win() -> None:
    assert make(size=3).num_classes == 10
    assert make(size=3, num_classes=7).num_classes == 7


def test_values_are_converted_to_their_annotation() -> None:
    assert make(size="3").size == 3


def test_nested_targets_are_built_first() -> None:
    holder = build(
        {"_target_": f"{__name__}.Holder", "part": {"_target_": HERE, "size": 2, "num_classes": 4}},
        where="objective",
        expect=Holder,
    )
    assert holder.part.num_classes == 4


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"size": 0}, ["student.size=0", "greater than 0"]),
        ({"size": "many"}, ["student.size='many'", "valid integer"]),
        ({"size": 1, "lable": "x"}, ["student.lable", "did you mean student.label?", "size, label"]),
        ({}, ["student: size not set", "student.size="]),
    ],
)
def test_a_mistake_is_answered_with_what_is_allowed(config: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        make(**config)
    with pytest.raises(ConfigError) as refused_unbuilt:
        check({"_target_": HERE, **config}, where="student", given=("num_classes",))
    for word in words:
        assert word in str(refused.value)
        assert word in str(refused_unbuilt.value)


@pydantic.dataclasses.dataclass(frozen=True)
class Options:
    size: Annotated[int, pydantic.Field(gt=0)]
    label: str = "plain"


def test_a_part_of_the_configuration_becomes_its_options() -> None:
    assert read(Options, {"size": 3}, "part") == Options(size=3)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        ({"size": 0}, "part.size=0: should be greater than 0"),
        ({"label": "x"}, "part.size is not set; give part.size=<value>"),
        ({"size": 1, "lable": "x"}, "part.lable is not a setting; did you mean part.label? Allowed: size, label"),
        (None, "part=None: holds settings of its own, as in part.<setting>=<value>; see conf/"),
    ],
)
def test_options_are_refused_with_their_place(mapping: object, message: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(Options, mapping, "part")
    assert str(refused.value) == message


def test_at_the_root_a_key_stands_alone() -> None:
    with pytest.raises(ConfigError, match=r"^lable is not a setting; did you mean label"):
        read(Options, {"size": 1, "lable": "x"}, "")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("greenkd.models.resnet21", ["greenkd.models has no 'resnet21'", "resnet20"]),
        ("no_such_package.Net", ["no module named 'no_such_package'", "PYTHONPATH"]),
        ("Net", ["dotted path"]),
        (None, ["dotted path"]),
    ],
)
def test_a_wrong_target_is_named(target: object, words: list[str]) -> None:
    with pytest.raises(ConfigError) as refused:
        build({"_target_": target}, where="student", expect=nn.Module)
    assert all(word in str(refused.value) for word in words)


def test_a_component_of_another_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="made a Widget, but a Module is needed"):
        build({"_target_": HERE, "size": 1, "num_classes": 2}, where="student", expect=nn.Module)


class Unfinished(Strategy):
    """Lacks what a strategy must have."""


def test_a_class_that_lacks_a_method_is_refused_before_anything_is_trained() -> None:
    with pytest.raises(ConfigError, match="Unfinished does not define schedule"):
        build({"_target_": f"{__name__}.Unfinished"}, where="temperature", expect=Strategy)  # type: ignore[type-abstract]


@pytest.fixture
def own_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "my_nets.py").write_text(
        "from torch import nn\n"
        "class MyNet(nn.Module):\n"
        "    def __init__(self, num_classes, width=4):\n"
        "        super().__init__()\n"
        "        self.layer = nn.Linear(width, num_classes)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    yield "my_nets.MyNet"
    sys.modules.pop("my_nets", None)


def test_a_users_own_module_plugs_in(own_package: str) -> None:
    network = build(
        {"_target_": own_package, "width": 6},
        where="student",
        expect=nn.Module,
        given={"num_classes": 5, "in_channels": 3, "image_size": 8},
    )
    assert network.layer.weight.shape == (5, 6)
