"""Shapes, sizes and behaviour of every network that greenkd.models defines."""

import copy
from collections.abc import Callable

import pytest
import torch
import torchinfo
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from greenkd import models

torch.set_num_threads(1)

BY_NAME = {name: models.NETWORKS[name] for name, card in models.NETWORK_CARDS.items() if card.task == "classification"}
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
