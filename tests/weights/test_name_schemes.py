"""Weights under the names of other programs: converted, our network says on random images what theirs says."""

import re
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from greenkd import models
from greenkd.errors import ConfigError
from greenkd.weights.convert import convert
from tests.outside import foreign_networks as foreign

torch.set_num_threads(1)

VGG8 = [[64], [128], [256], [512], [512]]
VGG13 = [[64, 64], [128, 128], [256, 256], [512, 512], [512, 512]]
PAIRS: dict[str, tuple[Callable[[], nn.Module], str, dict[str, int]]] = {
    "akamaster resnet20": (lambda: foreign.Akamaster(3, 7), "resnet20", {}),
    "kuangliu resnet18": (lambda: foreign.Kuangliu(7), "resnet18", {}),
    "weiaicunzai resnet18": (lambda: foreign.Weiaicunzai(7), "resnet18", {}),
    "RepDistiller wrn_16_2": (lambda: foreign.RepDistillerWide(7), "wrn_16_2", {}),
    "RepDistiller vgg8": (lambda: foreign.RepDistillerVgg(VGG8, 7), "vgg8", {}),
    "RepDistiller vgg13": (lambda: foreign.RepDistillerVgg(VGG13, 7), "vgg13", {}),
    "RepDistiller ShuffleV2": (lambda: foreign.RepDistillerShuffle(7), "shufflenet_v2", {"stem_kernel": 1}),
    "prlz77 ResNeXt": (lambda: foreign.Prlz77(7), "resnext29", {}),
}


def trained(network: nn.Module) -> nn.Module:
    """Gives every parameter and statistic a value of its own, as a training would."""
    generator = torch.Generator().manual_seed(5)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low, high in ((module.weight, 0.5, 1.5), (module.running_var, 0.5, 1.5), (module.bias, -1, 1)):
                nn.init.uniform_(values, low, high, generator=generator)
            nn.init.uniform_(module.running_mean, -1, 1, generator=generator)
            module.num_batches_tracked.fill_(9)
        elif isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.kaiming_normal_(module.weight, generator=generator)
    return network.eval()


def ours(name: str, classes: int = 7, **settings: int) -> nn.Module:
    return models.NETWORKS[name](num_classes=classes, **settings).eval()


@torch.inference_mode()
def assert_equal(left: nn.Module, right: nn.Module, size: int = 16) -> None:
    images = torch.randn(3, 3, size, size, generator=torch.Generator().manual_seed(1))
    expected = left(images)
    assert expected.std() > 0.1
    torch.testing.assert_close(right(images), expected, rtol=1e-4, atol=1e-5 * float(expected.abs().max()))


@pytest.mark.parametrize("pair", PAIRS)
def test_our_network_says_what_theirs_says(pair: str) -> None:
    build, name, settings = PAIRS[pair]
    theirs, network = trained(build()), ours(name, **settings)
    conversion = convert(theirs.state_dict(), network, "file")
    assert_equal(theirs, network)
    assert conversion.renamed
    assert conversion.counters == (2 if "akamaster" in pair else 0)  # of the two shortcuts that were written
    assert all(torch.equal(tensor, network.state_dict()[key]) for key, tensor in conversion.tensors.items())


def test_shortcuts_without_parameters_pass_channels_on_between_zeros() -> None:
    network = ours("resnet8")
    conversion = convert(trained(foreign.Akamaster(1, 7)).state_dict(), network, "file")
    assert conversion.shortcuts == ["layer2.0.downsample", "layer3.0.downsample"]
    maps = torch.rand(1, 16, 6, 6)
    with torch.no_grad():
        passed = network.get_submodule("layer2.0.downsample")(maps)
    assert torch.allclose(passed[:, 8:24], maps[:, :, ::2, ::2], atol=1e-6)
    assert not passed[:, :8].any()
    assert not passed[:, 24:].any()


def test_torchvisions_own_names_stay() -> None:
    theirs, network = trained(ours("densenet121")), ours("densenet121")
    old = {re.sub(r"\.(norm|conv)([12])\.", r".\1.\2.", name): tensor for name, tensor in theirs.state_dict().items()}
    assert convert(theirs.state_dict(), network, "file").renamed == {}
    assert_equal(theirs, network)
    # Checkpoints of torchvision before 0.3.
    assert len(convert(old, ours("densenet121"), "file").renamed) == 4 * (6 + 12 + 24 + 16)


def transformers_name(name: str) -> str:
    """Hugging Face's name for a parameter of a ResNet with bottlenecks or basic blocks, from torchvision's."""
    kinds = {"conv": "convolution", "bn": "normalization"}
    if match := re.match(r"(conv|bn)1\.(.*)", name):
        return f"resnet.embedder.embedder.{kinds[match[1]]}.{match[2]}"
    if match := re.match(r"layer(\d)\.(\d+)\.downsample\.(\d)\.(.*)", name):
        kind = ("convolution", "normalization")[int(match[3])]
        return f"resnet.encoder.stages.{int(match[1]) - 1}.layers.{match[2]}.shortcut.{kind}.{match[4]}"
    if match := re.match(r"layer(\d)\.(\d+)\.(conv|bn)(\d)\.(.*)", name):
        place = f"{int(match[1]) - 1}.layers.{match[2]}.layer.{int(match[4]) - 1}"
        return f"resnet.encoder.stages.{place}.{kinds[match[3]]}.{match[5]}"
    return name.replace("fc.", "classifier.1.")


def test_hugging_faces_resnet_finds_its_places() -> None:
    theirs, network = trained(ours("resnet18")), ours("resnet18")
    named = {transformers_name(name): tensor for name, tensor in theirs.state_dict().items()}
    assert len(named) == len(theirs.state_dict())
    convert(named, network, "file")
    assert_equal(theirs, network)


def test_timm_and_shufflenet_v1_differ_in_names_alone() -> None:
    timm = pytest.importorskip("timm")
    given = timm.create_model("resnet18", num_classes=7).state_dict()
    given["conv1.weight"] = given["conv1.weight"][:, :, 2:5, 2:5].clone()  # a stem for small images
    network = ours("resnet18")
    assert convert(given, network, "file").renamed == {}
    assert torch.equal(network.state_dict()["layer4.1.bn2.weight"], given["layer4.1.bn2.weight"])

    theirs, network = trained(ours("shufflenet_v1")), ours("shufflenet_v1")
    named = {re.sub("^fc", "linear", name): tensor for name, tensor in theirs.state_dict().items()}
    assert convert(named, network, "file").renamed == {"linear": "fc"}
    assert_equal(theirs, network)


def wrapped(tensors: dict[str, Tensor], *prefixes: str) -> dict[str, Tensor]:
    return {"".join(prefixes) + name: tensor for name, tensor in tensors.items()}


@pytest.mark.parametrize("prefixes", [("module.",), ("_orig_mod.",), ("module.", "_orig_mod."), ("model.", "net.")])
def test_wrappers_are_taken_away(prefixes: tuple[str, ...]) -> None:
    theirs, network = trained(ours("resnet8")), ours("resnet8")
    conversion = convert(wrapped(theirs.state_dict(), *prefixes), network, "file")
    assert_equal(theirs, network)
    assert set(conversion.prefix.split(".")) == set("".join(prefixes).split("."))


def test_missing_counters_half_precision_and_profilers_are_no_obstacle() -> None:
    theirs, network = trained(ours("resnet8")), ours("resnet8")
    tensors = {
        name: tensor.half() for name, tensor in theirs.state_dict().items() if not name.endswith("num_batches_tracked")
    }
    tensors |= {"total_ops": torch.zeros(1), "layer1.0.conv1.total_params": torch.zeros(1)}
    conversion = convert(tensors, network, "file")
    assert (conversion.counters, conversion.casts) == (9, ["float16"])
    assert conversion.left_out == ["total_ops", "layer1.0.conv1.total_params"]
    theirs.load_state_dict({name: tensor.half().float() for name, tensor in theirs.state_dict().items()})
    assert_equal(theirs, network)


@pytest.mark.parametrize(
    ("given", "wanted", "said"),
    [
        ("resnet14", "resnet8", r"not in the network: layer1\.1\.conv1\.weight.*in all.*missing in the file: none"),
        ("resnet8", "resnet14", r"not in the network: none; missing in the file: layer1\.1\.conv1"),
        ("vgg8", "resnet8", r"not in the network: features\.0\.weight"),
    ],
)
def test_another_network_is_refused_with_both_lists(given: str, wanted: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        convert(ours(given).state_dict(), ours(wanted), "file")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda tensor: tensor * float("nan"), "no finite number"),
        (lambda tensor: tensor.to(torch.int8), "int8.*quantised"),
        (lambda tensor: tensor[..., :1], "has shape"),
    ],
)
def test_weights_that_are_none_are_refused(change: Callable[[Tensor], Tensor], said: str) -> None:
    tensors = ours("resnet8").state_dict()
    tensors["layer2.0.conv1.weight"] = change(tensors["layer2.0.conv1.weight"])
    with pytest.raises(ConfigError, match=said):
        convert(tensors, ours("resnet8"), "file")
