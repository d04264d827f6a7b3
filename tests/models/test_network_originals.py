"""Networks compute what the networks of their sources compute."""

import pytest
import torch
import torchvision
from torch import nn
from torch.nn import functional as F
from torchvision.models.shufflenetv2 import InvertedResidual

from greenkd import models
from greenkd.components import build
from greenkd.errors import ConfigError
from greenkd.models.blocks.channel_shuffle import ShuffleUnit
from tests.models.test_networks import noise, parameters


@pytest.mark.parametrize(
    ("name", "stem", "head"),
    [
        ("resnet18", "conv1.", "fc."),
        ("resnet50", "conv1.", "fc."),
        ("shufflenet_v2_x0_5", "conv1.0.", "fc."),
        ("mobilenet_v2", "features.0.0.", "classifier.1."),
        ("densenet121", "features.conv0.", "classifier."),
    ],
)
def test_loads_torchvisions_weights_but_for_stem_and_head(name: str, stem: str, head: str) -> None:
    with torch.device("meta"):
        theirs = torchvision.models.get_model(name).state_dict()
        ours = models.NETWORKS[name](num_classes=10)
    kept = {key: value for key, value in theirs.items() if not key.startswith((stem, head))}
    outcome = ours.load_state_dict(kept, strict=False)
    assert outcome.unexpected_keys == []
    assert all(key.startswith((stem, head)) for key in outcome.missing_keys)
    assert len(outcome.missing_keys) == 3


def test_resnet18_computes_what_torchvisions_does_from_the_stem_on() -> None:
    torch.manual_seed(1)
    ours = models.resnet18(num_classes=10).eval()
    theirs = torchvision.models.resnet18(num_classes=10).eval()
    theirs.load_state_dict({**ours.state_dict(), "conv1.weight": theirs.conv1.weight})
    maps = noise(2, 64, 16, 16)
    for layer in ("layer1", "layer2", "layer3", "layer4"):
        with torch.no_grad():
            expected = getattr(theirs, layer)(maps)
            assert torch.equal(getattr(ours, layer)(maps), expected)
        maps = expected


def batch_norm(maps: torch.Tensor, weights: dict[str, torch.Tensor], name: str) -> torch.Tensor:
    keys = ("running_mean", "running_var", "weight", "bias")
    return F.batch_norm(maps, *(weights[f"{name}.{key}"] for key in keys))


def with_random_batch_norms(network: nn.Module) -> dict[str, torch.Tensor]:
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values in (module.running_mean, module.running_var, module.weight.data, module.bias.data):
                values.copy_(torch.rand(values.shape) + 0.5)
    return network.eval().state_dict()


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
@pytest.mark.parametrize("stride", [1, 2])
def test_interleaved_branches_are_torchvisions_shuffled_ones(stride: int, memory_format: torch.memory_format) -> None:
    torch.manual_seed(0)
    theirs = InvertedResidual(16, 16, stride).to(memory_format=memory_format).train()  # type: ignore[call-overload]
    ours = ShuffleUnit(16, 16, stride).to(memory_format=memory_format).train()  # type: ignore[call-overload]
    ours.load_state_dict(theirs.state_dict())
    images = torch.randn(4, 16, 8, 8).contiguous(memory_format=memory_format)
    outputs = [block(images) for block in (theirs, ours)]
    assert torch.equal(*outputs)
    for output in outputs:
        (output * output).sum().backward()
    for one, other in zip(theirs.parameters(), ours.parameters(), strict=True):
        assert one.grad is not None
        assert other.grad is not None
        torch.testing.assert_close(other.grad, one.grad)


def test_relu6_is_out_of_place_and_changes_no_bit() -> None:
    torch.manual_seed(0)
    network = models.mobilenet_v2(num_classes=10, image_size=16).train()
    images = torch.randn(4, 3, 16, 16)
    activations = [module for module in network.modules() if isinstance(module, nn.ReLU6)]
    assert activations
    results = []
    for in_place in (False, True):
        assert in_place or not any(module.inplace for module in activations)
        for module in activations:
            module.inplace = in_place
        network.zero_grad()
        logits = network(images)
        logits.sum().backward()
        results.append([logits, *(parameter.grad for parameter in network.parameters())])
    assert all(torch.equal(one, other) for one, other in zip(*results, strict=True))


def test_wrn_16_2_computes_pre_activation_blocks() -> None:
    # Zagoruyko and Komodakis, figure 1(d) and table 1, with the shortcut of Wei Yang's and RepDistiller's code.
    torch.manual_seed(0)
    network = models.wrn_16_2(num_classes=10)
    weights = with_random_batch_norms(network)
    images = noise(2, 3, 16, 16)
    maps = F.conv2d(images, weights["conv1.weight"], padding=1)
    for block in (1, 2, 3):
        for index in (0, 1):
            at, stride = f"block{block}.{index}", 2 if block > 1 and index == 0 else 1
            activated = batch_norm(maps, weights, f"{at}.bn1").relu()
            inner = F.conv2d(activated, weights[f"{at}.conv1.weight"], stride=stride, padding=1)
            inner = F.conv2d(batch_norm(inner, weights, f"{at}.bn2").relu(), weights[f"{at}.conv2.weight"], padding=1)
            if index == 0:
                maps = F.conv2d(activated, weights[f"{at}.shortcut.weight"], stride=stride)
            maps = maps + inner
    expected = F.linear(batch_norm(maps, weights, "bn1").relu().mean((2, 3)), weights["fc.weight"], weights["fc.bias"])
    with torch.no_grad():
        assert torch.allclose(network(images), expected, rtol=1e-4, atol=1e-4)


def test_shufflenet_v1_computes_grouped_shuffled_blocks() -> None:
    torch.manual_seed(0)
    network = models.shufflenet_v1(num_classes=10)
    weights = with_random_batch_norms(network)
    images = noise(2, 3, 16, 16)
    maps = batch_norm(F.conv2d(images, weights["conv1.weight"]), weights, "bn1").relu()
    for layer, blocks in ((1, 4), (2, 8), (3, 4)):
        for index in range(blocks):
            at, groups = f"layer{layer}.{index}", 1 if (layer, index) == (1, 0) else 3
            inner = F.conv2d(maps, weights[f"{at}.conv1.weight"], groups=groups)
            inner = F.channel_shuffle(batch_norm(inner, weights, f"{at}.bn1").relu(), groups)
            kernel, stride = weights[f"{at}.conv2.weight"], 2 if index == 0 else 1
            inner = F.conv2d(inner, kernel, stride=stride, padding=1, groups=len(kernel))
            inner = F.conv2d(batch_norm(inner, weights, f"{at}.bn2").relu(), weights[f"{at}.conv3.weight"], groups=3)
            inner = batch_norm(inner, weights, f"{at}.bn3")
            joined = torch.cat([inner, F.avg_pool2d(maps, 3, 2, 1)], 1) if index == 0 else inner + maps
            maps = joined.relu()
    expected = F.linear(maps.mean((2, 3)), weights["fc.weight"], weights["fc.bias"])
    with torch.no_grad():
        assert torch.allclose(network(images), expected, rtol=1e-4, atol=1e-4)


def test_cifar_resnets_are_he_et_als_but_for_the_shortcuts() -> None:
    # He et al. publish 0.27, 0.46, 0.66, 0.85 and 1.7 million parameters with 10 classes; their shortcuts have none.
    shortcuts = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    for name, published in (("resnet20", 0.27), ("resnet32", 0.46), ("resnet44", 0.66), ("resnet56", 0.85)):
        with torch.device("meta"):
            count = parameters(models.NETWORKS[name](num_classes=10))
        assert round((count - shortcuts) / 1e6, 2) == published


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"_target_": "greenkd.models.small_cnn", "width": 0}, "student.*width=0"),
        ({"_target_": "greenkd.models.shufflenet_v2", "stem_kernel": 2}, "stem_kernel=2"),
        ({"_target_": "greenkd.models.mobilenet_v2", "dropout": 1.5}, "dropout=1.5"),
        ({"_target_": "greenkd.models.resnet2O"}, "near: .*resnet20"),
        ({"_target_": "greenkd.models.vgg8"}, "student: vgg8 needs images of at least 16×16 pixels, these are 8×8"),
        ({"_target_": "greenkd.models.small_cnn", "widht": 4}, "student.widht is not a setting"),
    ],
)
def test_mistakes_in_the_configuration_name_the_cure(config: dict[str, object], message: str) -> None:
    given = {"num_classes": 10, "in_channels": 1, "image_size": 8}
    with pytest.raises(ConfigError, match=message):
        build(config, where="student", expect=nn.Module, given=given)
