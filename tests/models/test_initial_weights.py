"""`init=source`: the distributions that the code behind the published numbers draws from; the default is as it was."""

import math

import pytest
import torch
from torch import nn

from greenkd import models
from greenkd.identity import campaign_id, network_identity
from tests.campaigns import composed

PYTORCH_DEFAULTS = ["resnet18", "densenet121", "mobilenet_v2"]


def built(name: str, **settings: str) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return models.NETWORKS[name](num_classes=100, **settings)


@pytest.mark.parametrize("name", PYTORCH_DEFAULTS)
def test_source_is_uniform_within_one_over_the_root_of_fan_in(name: str) -> None:
    for module in built(name, init="source").modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            bound = 1 / math.sqrt(module.weight[0].numel())
            assert module.weight.abs().max() <= bound
            if module.weight.numel() > 10_000:
                assert module.weight.std().item() == pytest.approx(bound / math.sqrt(3), rel=0.03)


@pytest.mark.parametrize("name", PYTORCH_DEFAULTS)
def test_torchvision_s_are_wider(name: str) -> None:
    modules = [module for module in built(name).modules() if isinstance(module, nn.Conv2d)]
    beyond = [module.weight.abs().max() > 1 / math.sqrt(module.weight[0].numel()) for module in modules]
    assert sum(beyond) > len(beyond) / 2


def test_resnext_s_head_alone_differs() -> None:
    ours, theirs = built("resnext29").state_dict(), built("resnext29", init="source").state_dict()
    differing = [name for name, tensor in ours.items() if not torch.equal(tensor, theirs[name])]
    assert differing == ["fc.weight", "fc.bias"]
    assert theirs["fc.weight"].std().item() == pytest.approx(math.sqrt(2 / 1024), rel=0.02)
    assert not theirs["fc.bias"].any()


@pytest.mark.parametrize("group", ["teacher", "student"])
def test_the_default_leaves_identities_as_they_were(group: str) -> None:
    config = composed(f"{group}=resnet18")
    before = {**config, group: {key: value for key, value in config[group].items() if key != "init"}}
    before["training"] = {**config["training"], "teacher": {"seed": 0, "epochs": None, "lr": None}}
    assert config[group]["init"] == "torchvision"
    assert campaign_id(config) == campaign_id(before)
    assert network_identity(config[group]) == before[group] | {"name": None}

    for changed in (f"{group}.init=source", "training.teacher.batch_size=64"):
        assert campaign_id(composed(f"{group}=resnet18", changed)) != campaign_id(config)
    assert network_identity(composed(f"{group}=resnet18", f"{group}.init=source")[group])["init"] == "source"
