"""Weights that are not exactly a network's own are refused, with what differs and the cure; nothing is changed then."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from greenkd import models
from greenkd.errors import ConfigError
from greenkd.training.network_weights import load_network
from greenkd.training.weights_file import read_given_weights
from tests.outside import weight_files as files


def network(name: str = "resnet8") -> nn.Module:
    return models.NETWORKS[name](num_classes=10)


def refused(given: dict[str, Tensor], taker: nn.Module) -> str:
    before = {name: tensor.clone() for name, tensor in taker.state_dict().items()}
    with pytest.raises(ConfigError) as refusal:
        load_network(taker, given, "teacher.weights=x", "Do this.")
    assert all(torch.equal(tensor, before[name]) for name, tensor in taker.state_dict().items())
    return str(refusal.value)


def test_a_deeper_networks_weights_do_not_load() -> None:
    said = refused(dict(network("resnet14").state_dict()), network())
    assert "Not in the network: layer1.1.conv1.weight, layer1.1.bn1.weight, " in said
    assert "(36 in all). Missing in the file: none. Do this." in said


def test_a_shallower_networks_weights_do_not_load() -> None:
    said = refused(dict(network().state_dict()), network("resnet14"))
    assert "Not in the network: none. Missing in the file: layer1.1.conv1.weight, " in said
    assert "(36 in all)" in said


def test_another_programs_names_are_shown_beside_ours() -> None:
    said = refused(files.prefixed(dict(network().state_dict()), "module."), network())
    assert "Not in the network: module.conv1.weight, " in said
    assert "Missing in the file: conv1.weight, " in said


CHANGES: dict[str, tuple[Callable[[dict[str, Tensor]], dict[str, Tensor]], str]] = {
    "NaN": (files.as_nan, "conv1.weight holds 432 values that are no finite number"),
    "int8": (files.as_int8, "conv1.weight holds int8, float32 is needed; quantised"),
    "no counters": (
        files.without_counters,
        "lack the counters of their batch norms. Not in the network: none",
    ),
    "complex": (lambda state: files.each_float(state, lambda values: values + 0j), "complex64"),
    "counter as float": (lambda state: {name: tensor.float() for name, tensor in state.items()}, "int64 is needed"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_weights_that_are_none_are_refused(change: str) -> None:
    make, said = CHANGES[change]
    assert said in refused(make(dict(network().state_dict())), network())


def test_one_infinity_is_enough() -> None:
    state = {name: tensor.clone() for name, tensor in network().state_dict().items()}
    state["bn1.running_var"][3] = float("inf")
    assert "bn1.running_var holds 1 values" in refused(state, network())


def test_another_number_of_classes_is_refused_by_shape() -> None:
    assert "fc.weight has shape [7, 64], this data set and network need [10, 64]" in refused(
        dict(models.resnet8(num_classes=7).state_dict()), network()
    )


def test_its_own_weights_load_in_half_precision_too() -> None:
    state, taker = network().state_dict(), network()
    load_network(taker, files.each_float(dict(state), Tensor.half), "here")
    assert torch.equal(taker.state_dict()["fc.weight"], state["fc.weight"].half().float())


def test_a_file_of_torch_is_answered_with_the_command(tmp_path: Path) -> None:
    path = files.torch_file(tmp_path / "resnet56.th", {"state_dict": network().state_dict()})
    with pytest.raises(ConfigError, match=rf"greenkd weights convert {path} --network resnet56"):
        read_given_weights(path, "teacher", "resnet56")


def test_the_home_folder_has_a_short_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    files.safetensors_file(tmp_path / "mine.safetensors", dict(network().state_dict()))
    assert read_given_weights("~/mine.safetensors", "teacher", "resnet8").keys() == network().state_dict().keys()
