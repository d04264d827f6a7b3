"""Shapes, sizes and behaviour of every network that greenkd.models defines."""

import copy
from collections.abc import Callable

import pytest
import torch
import torchinfo
import torchvision
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode
from torchvision.models.shufflenetv2 import InvertedResidual

from greenkd import models
from greenkd.components import build
from greenkd.errors import ConfigError
from greenkd.models.channel_shuffle import ShuffleUnit

torch.set_num_threads(1)

BY_NAME = models.NETWORKS
PLAIN_AT_LEAST = {"vgg8": 16, "vgg13": 16, "vgg16": 16, "vgg19": 16, "alexnet": 29, "mobilenet_v2_half": 16}

# One network per construction, small enough to run on a CPU in a test.
FAMILIES = [
    "tiny_cnn",
    "cnn",
    "resnet8",
    "wrn_16_1",
    "vgg8",
    "alexnet",
    "shufflenet_v1",
    "shufflenet_v2_x0_5",
    "mobilenet_v2",
    "mobilenet_v2_half",
    "resnet18",
    "densenet121",
    "googlenet",
]

# Parameters with 100 classes, counted in the published code of the distillation literature (RepDistiller) and, for the
# last four, of the original work; mobilenet_v2_half lacks the 288 parameters of that code's first expansion.
PUBLISHED_PARAMETERS = {
    "resnet8": 83_892,
    "resnet14": 181_108,
    "resnet20": 278_324,
    "resnet32": 472_756,
    "resnet44": 667_188,
    "resnet56": 861_620,
    "resnet110": 1_736_564,
    "resnet8x4": 1_233_540,
    "resnet32x4": 7_433_860,
    "wrn_16_1": 180_916,
    "wrn_16_2": 703_284,
    "wrn_40_1": 569_780,
    "wrn_40_2": 2_255_156,
    "vgg8": 3_965_028,
    "vgg13": 9_462_180,
    "vgg16": 14_774_436,
    "vgg19": 20_086_692,
    "shufflenet_v1": 949_258,
    "mobilenet_v2_half": 812_836 - 288,
    "resnet50": 23_705_252,
    "resnet18": 11_220_132,
    "resnext29": 34_518_948,
    "cnn": 369_124,
    "alexnet": 2_495_396,
}

# Multiply-accumulates at 32×32 with 100 classes, counted by hooks in the same published code.
PUBLISHED_MACS = {
    "resnet20": 40_818_944,
    "resnet8x4": 177_071_104,
    "wrn_16_2": 101_118_464,
    "vgg8": 96_192_512,
    "vgg19": 511_428_608,
    "shufflenet_v1": 38_691_456,
    "densenet121": 888_442_880,
    "resnext29": 5_387_358_208,
    "mobilenet_v2_half": 6_523_648 - 16 * 16 * 16 * 16,
}


def parameters(network: nn.Module) -> int:
    return sum(parameter.numel() for parameter in network.parameters())


def macs(network: nn.Module, channels: int, size: int, device: str = "meta") -> int:
    counter = FlopCounterMode(display=False)
    with counter, torch.no_grad():
        network.eval()(torch.zeros(1, channels, size, size, device=device))
    return counter.get_total_flops() // 2


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(5))


@pytest.mark.parametrize("network", BY_NAME.values(), ids=BY_NAME)
def test_maps_images_of_any_size_to_logits_through_a_last_linear_layer(network: Callable[..., nn.Module]) -> None:
    least = PLAIN_AT_LEAST.get(network.__name__, 8)
    cases = [(least, 1, 7), (64, 3, 200)] if network.__name__ in FAMILIES else [(least, 1, 7)]
    for size, channels, classes in cases:
        with torch.device("meta"):
            net = network(num_classes=classes, in_channels=channels, image_size=size)
            logits = net.train()(torch.empty(2, channels, size, size))
        assert logits.shape == (2, classes)
        modules = list(net.modules())
        last = [module for module in modules if isinstance(module, nn.Linear)][-1]
        assert last.out_features == classes
        assert not any(isinstance(module, nn.Conv2d) for module in modules[modules.index(last) :])
        dropout = sum(module.p for module in modules if isinstance(module, nn.Dropout))
        assert dropout == {"cnn": 0.5, "googlenet": 0.2}.get(network.__name__, 0.0)


@pytest.mark.parametrize("name", PUBLISHED_PARAMETERS)
def test_has_the_published_number_of_parameters(name: str) -> None:
    with torch.device("meta"):
        assert parameters(BY_NAME[name](num_classes=100)) == PUBLISHED_PARAMETERS[name]


@pytest.mark.parametrize("name", PUBLISHED_MACS)
def test_has_the_published_compute(name: str) -> None:
    with torch.device("meta"):
        assert macs(BY_NAME[name](num_classes=100), 3, 32) == PUBLISHED_MACS[name]


def test_shufflenet_v2_with_a_1x1_stem_is_that_of_the_literature() -> None:
    with torch.device("meta"):
        network = models.shufflenet_v2(num_classes=100, stem_kernel=1)
        assert parameters(network) == 1_355_528
        assert macs(network, 3, 32) == 44_504_448


def test_googlenet_keeps_the_resolution_that_the_originals_has() -> None:
    with torch.device("meta"):
        network = models.googlenet(num_classes=100).eval()
        maps = []
        for block in (network.inception3a, network.inception4a, network.inception5b):
            block.register_forward_hook(lambda _, inputs, output: maps.append((inputs[0].shape[2], output.shape[1:])))
        network(torch.empty(1, 3, 32, 32))
    assert maps == [(32, (256, 32, 32)), (16, (512, 16, 16)), (8, (1024, 8, 8))]


def test_resnet18_has_the_compute_that_the_paper_counts() -> None:
    with torch.device("meta"):
        assert round(parameters(models.resnet18(num_classes=10)) / 1e6, 1) == 11.2
        for size, classes, published in ((32, 100, 0.5555), (64, 200, 2.2218)):
            network = models.resnet18(num_classes=classes, image_size=size)
            assert round(macs(network, 3, size) / 1e9, 4) == published


@pytest.mark.parametrize(("size", "classes", "published"), [(32, 100, 0.0649e9), (64, 200, 0.2157e9)])
def test_mobilenet_v2_has_the_compute_of_the_original_but_for_its_first_expansion(
    size: int, classes: int, published: float
) -> None:
    with torch.device("meta"):
        counted = macs(models.mobilenet_v2(num_classes=classes, image_size=size), 3, size)
    first_expansion = 32 * 32 * (size + 2) ** 2
    assert counted + first_expansion == pytest.approx(published, rel=1e-3)


@pytest.mark.parametrize("name", FAMILIES)
def test_macs_agree_with_an_independent_counter(name: str) -> None:
    # torchinfo counts a layer's bias once per output as a MAC of its own and batch norms once per parameter, so it is
    # asked about convolutions and linear layers only, without bias.
    with torch.device("cpu"):
        network = BY_NAME[name](num_classes=10)
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            module.bias = None
    statistics = torchinfo.summary(network, input_size=(1, 3, 32, 32), verbose=0, depth=20)
    layers = [layer for layer in statistics.summary_list if isinstance(layer.module, nn.Conv2d | nn.Linear)]
    expected = sum({id(layer.module): layer.macs for layer in layers}.values())
    assert macs(network, 3, 32, device="cpu") == expected


@pytest.mark.parametrize("network", BY_NAME.values(), ids=BY_NAME)
def test_refuses_too_small_images_naming_the_least_size(network: Callable[..., nn.Module]) -> None:
    with pytest.raises(ValueError, match=rf"{network.__name__.replace('tiny', 'small')} needs .* at least \d+×\d+"):
        network(num_classes=10, image_size=1)
    least = PLAIN_AT_LEAST.get(network.__name__)
    if least is not None:
        with pytest.raises(ValueError, match=f"at least {least}×{least} pixels, these are {least - 1}×{least - 1}"):
            network(num_classes=10, image_size=least - 1)


@pytest.mark.parametrize("name", FAMILIES)
def test_runs_at_the_least_size_it_names(name: str) -> None:
    with pytest.raises(ValueError, match="at least") as refusal:
        BY_NAME[name](num_classes=10, image_size=1)
    least = int(str(refusal.value).partition("at least ")[2].partition("×")[0])
    network = BY_NAME[name](num_classes=10, image_size=least)
    logits = network.train()(noise(4, 3, least, least))
    logits.sum().backward()
    assert logits.isfinite().all()
    assert all(parameter.grad is not None for parameter in network.parameters())


@pytest.mark.parametrize("name", FAMILIES)
def test_initial_weights_depend_on_the_global_generator_alone(name: str) -> None:
    states = []
    for seed in (3, 3, 4):
        torch.manual_seed(seed)
        states.append(BY_NAME[name](num_classes=10).state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not all(torch.equal(states[0][key], states[2][key]) for key in states[0])


@pytest.mark.parametrize("name", FAMILIES)
def test_channels_last_gives_the_same_logits(name: str) -> None:
    network = BY_NAME[name](num_classes=10).eval()
    images = noise(2, 3, 32, 32)
    with torch.no_grad():
        expected = network(images)
        other = copy.deepcopy(network).to(memory_format=torch.channels_last)
        actual = other(images.to(memory_format=torch.channels_last))
    assert torch.allclose(actual, expected, rtol=1e-3, atol=1e-4 * expected.abs().max().item())


@pytest.mark.parametrize("name", ["small_cnn", "resnet8", "wrn_16_1", "shufflenet_v1", "shufflenet_v2_x0_5"])
def test_per_sample_gradients_by_torch_func_sum_to_the_batch_gradient(name: str) -> None:
    torch.manual_seed(0)
    network = BY_NAME[name](num_classes=10, in_channels=1, image_size=8).eval()
    weights = {key: value.detach() for key, value in network.named_parameters()}
    images, labels = noise(3, 1, 8, 8), torch.tensor([1, 7, 3])

    def loss(weights: dict[str, torch.Tensor], image: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        logits = torch.func.functional_call(network, weights, (image[None],))
        return nn.functional.cross_entropy(logits, label[None])

    per_sample = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(weights, images, labels)
    nn.functional.cross_entropy(network(images), labels, reduction="sum").backward()
    for key, parameter in network.named_parameters():
        assert torch.allclose(per_sample[key].sum(0), parameter.grad, rtol=1e-3, atol=1e-5)


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
        ours = BY_NAME[name](num_classes=10)
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
            count = parameters(BY_NAME[name](num_classes=10))
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
