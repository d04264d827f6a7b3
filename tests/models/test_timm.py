"""Any network of timm by name, and what is answered where that cannot be."""

import sys

import pytest
import timm
import torch
from torch import nn

from greenkd import models
from greenkd.components import build
from greenkd.errors import ConfigError


def test_builds_timms_network_for_the_data_sets_classes_and_channels() -> None:
    torch.manual_seed(2)
    network = models.from_timm("resnet10t", num_classes=7, in_channels=1, image_size=32)
    torch.manual_seed(2)
    theirs = timm.create_model("resnet10t", pretrained=False, num_classes=7, in_chans=1)
    assert network.training
    images = torch.randn(2, 1, 32, 32)
    with torch.no_grad():
        assert torch.equal(network.eval()(images), theirs.eval()(images))


def test_trying_a_network_out_leaves_its_batch_statistics_alone() -> None:
    network = models.from_timm("resnet10t", num_classes=7, in_channels=3, image_size=32)
    means = [value for key, value in network.state_dict().items() if key.endswith("running_mean")]
    assert all(torch.equal(mean, torch.zeros_like(mean)) for mean in means)


def test_vision_transformers_learn_the_image_size() -> None:
    network = models.from_timm("test_vit", num_classes=5, image_size=32)
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 5)


def test_unknown_architecture_names_near_ones() -> None:
    config = {"_target_": "greenkd.models.from_timm", "arch": "resnet81"}
    with pytest.raises(ConfigError, match=r"arch=resnet81: timm .* near: .*resnet18"):
        build(config, where="student", expect=nn.Module, given={"num_classes": 10})


def test_missing_timm_names_the_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ConfigError, match=r"timm is not installed; pip install 'greenkd\[timm\]'"):
        models.from_timm("resnet18", num_classes=10)


def test_image_size_that_the_architecture_cannot_take_is_refused() -> None:
    with pytest.raises(ConfigError, match="arch=edgenext_xx_small: timm's network cannot take 8×8 images"):
        models.from_timm("edgenext_xx_small", num_classes=10, image_size=8)


@pytest.mark.parametrize("arch", ["dla34", "deit_tiny_distilled_patch16_224"])
def test_architecture_without_one_linear_head_is_refused(arch: str) -> None:
    with pytest.raises(ConfigError, match=f"arch={arch}: does not end in one linear layer"):
        models.from_timm(arch, num_classes=10)
