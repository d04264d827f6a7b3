import pytest
import torch
import torchinfo
import torchvision
from torch import nn

from greenkd.energy.flops import builtin_backward_is_right, count_flops


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v2", "shufflenet_v2_x1_0"])
def test_forward_macs_agree_with_an_independent_counter(name: str) -> None:
    network = getattr(torchvision.models, name)(num_classes=10)
    summary = torchinfo.summary(network, (1, 3, 32, 32), verbose=0)
    # torchinfo adds a normalisation layer's parameters, once per image; they are no convolution.
    normalisation = sum(layer.macs for layer in summary.summary_list if layer.class_name == "BatchNorm2d")
    # ... and a linear layer's bias.
    biases = sum(layer.out_features for layer in network.modules() if isinstance(layer, nn.Linear))
    expected = summary.total_mult_adds - normalisation - biases
    assert count_flops(network, (3, 32, 32), backward=False).forward_macs == expected


def test_forward_of_one_convolution_by_hand() -> None:
    # 5 x 5 outputs, each 8 filters of 3 x 3 over 4 / 2 channels.
    layer = nn.Conv2d(4, 8, 3, groups=2)
    assert count_flops(layer, (4, 7, 7), backward=False).forward_macs == 25 * 8 * 9 * 2


@pytest.mark.parametrize("groups", [1, 2, 8])
def test_backward_costs_the_forward_twice_whatever_the_groups(groups: int) -> None:
    network = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, stride=2, padding=1, groups=groups))
    both = count_flops(network, (8, 8, 8), backward=True)
    first = count_flops(network[0], (8, 8, 8), backward=False)
    # The gradient of the images is not needed, so the first layer's backward costs its forward once.
    assert both.training == 3 * both.forward - first.forward


def test_backward_of_a_transposed_convolution() -> None:
    network = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ConvTranspose2d(8, 6, 3, stride=2, groups=2))
    both = count_flops(network, (3, 8, 8), backward=True)
    assert both.training == 3 * both.forward - count_flops(network[0], (3, 8, 8), backward=False).forward


def test_mobilenet_trains_at_three_times_its_forward() -> None:
    flops = count_flops(torchvision.models.mobilenet_v2(num_classes=10), (3, 32, 32), backward=True)
    assert flops.training / flops.forward == pytest.approx(2.96, abs=0.01)


def test_the_network_is_left_as_it_was() -> None:
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).eval()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    count_flops(network, (3, 8, 8), backward=True)
    assert not network.training
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


def test_the_correction_is_used_only_while_it_is_needed(monkeypatch: pytest.MonkeyPatch) -> None:
    network = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Conv2d(8, 8, 3, groups=8))
    right = count_flops(network, (8, 8, 8), backward=True)
    monkeypatch.setattr("greenkd.energy.flops.builtin_backward_is_right", lambda: True)
    builtin = count_flops(network, (8, 8, 8), backward=True)
    assert (builtin.training == right.training) == builtin_backward_is_right()
