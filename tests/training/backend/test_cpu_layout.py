"""The ways around PyTorch's slow paths on a CPU change no output, and gradients by rounding only."""

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from greenkd import models
from greenkd.energy.flops import count_flops
from greenkd.training.backend.cpu_layout import quicken_on_cpu


def gradients(network: nn.Module, images: Tensor) -> tuple[Tensor, list[Tensor]]:
    network.zero_grad()
    logits = network(images)
    F.cross_entropy(logits, torch.arange(len(images)) % 10).backward()
    return logits, [parameter.grad for parameter in network.parameters() if parameter.grad is not None]


@pytest.mark.parametrize(
    ("build", "size"),
    [
        (models.mobilenet_v2_half, 32),  # maps of 2×2 at the end
        (models.shufflenet_v2_x0_5, 8),  # of 1×1
        (models.resnet20, 16),
        (models.vgg8, 32),
    ],
)
def test_a_quick_network_computes_the_same(build: Callable[..., nn.Module], size: int) -> None:
    torch.manual_seed(0)
    plain = build(num_classes=10, image_size=size).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    quick = quicken_on_cpu(copy.deepcopy(plain))
    assert quick.state_dict().keys() == plain.state_dict().keys()
    images = torch.randn(16, 3, size, size).contiguous(memory_format=torch.channels_last)
    logits, expected = gradients(plain, images)
    quick_logits, found = gradients(quick, images)
    assert torch.equal(quick_logits, logits)
    assert len(found) == len(expected) == len(list(plain.parameters()))
    largest = max(float(each.norm()) for each in expected)
    for one, other in zip(found, expected, strict=True):  # of some, sums that cancel, little but rounding is left
        assert float((one - other).norm()) <= 1e-4 * float(other.norm()) + 1e-5 * largest
    assert count_flops(quick, (3, size, size), backward=True) == count_flops(plain, (3, size, size), backward=True)


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize(("kernel", "dilation", "side"), [(3, 1, 2), (3, 1, 1), (5, 1, 4), (3, 2, 4), (3, 1, 3)])
def test_padding_is_written_out_where_a_map_is_smaller_than_the_kernel(
    kernel: int, dilation: int, side: int, stride: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    padding = dilation * (kernel // 2)
    plain = nn.Conv2d(8, 8, kernel, stride, padding, dilation, groups=8)
    quick = copy.deepcopy(plain)
    quicken_on_cpu(quick)
    maps = torch.randn(4, 8, side, side)
    assert torch.equal(quick(maps), plain(maps))
    padded: list[Tensor] = []
    pad = F.pad
    monkeypatch.setattr(F, "pad", lambda *given: padded.append(given[0]) or pad(*given))
    quick(maps)
    assert len(padded) == (side < dilation * (kernel - 1) + 1)


def test_other_convolutions_stay_what_they_are() -> None:
    others = nn.Sequential(
        nn.Conv2d(8, 8, 3, padding=1),
        nn.Conv2d(8, 8, 3, padding=1, groups=4),
        nn.Conv2d(8, 8, 1, groups=8),
        nn.Conv2d(8, 8, 3, padding="same", groups=8),
        nn.Conv2d(8, 8, 3, padding=1, groups=8, padding_mode="reflect"),
    )
    assert {type(module) for module in quicken_on_cpu(others)} == {nn.Conv2d}


def test_the_last_batch_norm_gets_its_gradient_in_its_own_layout() -> None:
    images = torch.randn(4, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    layouts: list[bool] = []

    def watch(_module: nn.Module, _inputs: object, outputs: Tensor) -> None:
        outputs.register_hook(  # type: ignore[no-untyped-call]
            lambda gradient: layouts.append(gradient.is_contiguous(memory_format=torch.channels_last))
        )

    for prepare in (nn.Module.train, quicken_on_cpu):
        network = prepare(models.mobilenet_v2_half(num_classes=10, image_size=32))
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        *_, last = (module for module in network.modules() if isinstance(module, nn.BatchNorm2d))
        last.register_forward_hook(watch)
        gradients(network, images)
    assert layouts == [False, True]
