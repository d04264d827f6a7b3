"""Channels-last networks on a CPU: two places where PyTorch leaves its quick path, and the ways around them.

`python -m benchmarks.step` shows what they cost. Outputs keep every bit; weights' gradients are summed in another
order.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class SmallMapConv2d(nn.Conv2d):
    """A depthwise convolution that writes its padding out where the map is smaller than the kernel.

    oneDNN's backward pass of such a convolution has quick code only for kernels that fit into the map.
    """

    def forward(self, maps: Tensor) -> Tensor:
        """Maps [B, C, H, W] to [B, C', H', W']."""
        reach = [step * (size - 1) + 1 for step, size in zip(self.dilation, self.kernel_size, strict=True)]
        if maps.device.type != "cpu" or all(
            side >= kernel for side, kernel in zip(maps.shape[-2:], reach, strict=True)
        ):
            return super().forward(maps)
        vertical, horizontal = map(int, self.padding)
        padded = F.pad(maps, (horizontal, horizontal, vertical, vertical))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def quicken_on_cpu(network: nn.Module) -> nn.Module:
    """Takes the ways around in a network that is to be trained in channels-last on a CPU.

    Args:
        network: Changed in place; its parameters, names and hooks stay.

    Returns:
        The network.
    """
    norms = []
    for module in network.modules():
        if type(module) is nn.Conv2d and _is_depthwise(module):
            module.__class__ = SmallMapConv2d
        elif isinstance(module, nn.BatchNorm2d):
            norms.append(module)
    if norms:
        norms[-1].register_forward_hook(_keep_layout)
    return network


def _is_depthwise(convolution: nn.Conv2d) -> bool:
    return (
        convolution.groups == convolution.in_channels > 1
        and max(convolution.kernel_size) > 1
        and convolution.padding_mode == "zeros"
        and not isinstance(convolution.padding, str)
    )


def _keep_layout(_module: nn.Module, _inputs: object, outputs: Tensor) -> None:
    """Lets a gradient come back in the layout of its maps: that of global pooling does not, and slows a batch norm."""
    if outputs.requires_grad and outputs.is_contiguous(memory_format=torch.channels_last):
        outputs.register_hook(_to_channels_last)  # type: ignore[no-untyped-call]


def _to_channels_last(gradient: Tensor) -> Tensor:
    return gradient.contiguous(memory_format=torch.channels_last)
