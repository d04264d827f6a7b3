"""ShuffleNetV2's unit with a channel shuffle that keeps the memory format.

Ma et al., "ShuffleNet V2: Practical Guidelines for Efficient CNN Architecture Design", ECCV 2018, figure 3.
"""

from typing import Any

import torch
from torch import Tensor
from torchvision.models.shufflenetv2 import InvertedResidual


class ShuffleUnit(InvertedResidual):  # type: ignore[misc]  # torchvision has no types
    """torchvision's unit, which concatenates and shuffles the channels of its two branches in one step.

    The numbers are the same, in the same places. torchvision's shuffle leaves a channels-last tensor contiguous, so the
    next convolution has to reorder it, and its gradients are views with gaps, over which PyTorch goes slowly.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Maps [B, C, H, W] to [B, C', H / stride, W / stride]."""
        if self.stride == 1:
            first, second = _SplitChannels.apply(x)
            second = self.branch2(second)
        else:
            first, second = self.branch1(x), self.branch2(x)

        shuffled: Tensor = _ShuffleChannels.apply(first, second)
        return shuffled


class _SplitChannels(torch.autograd.Function):
    """Splits the channels into two halves, each without gaps in memory."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = x.chunk(2, dim=1)
        return first.clone(), second.clone()  # in the layout of x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        """Keeps nothing: the backward pass needs the gradients alone."""

    @staticmethod
    def backward(_ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        return torch.cat((first, second), dim=1)


class _ShuffleChannels(torch.autograd.Function):
    """Takes channels of two tensors [B, C, H, W] in turn, to [B, 2C, H, W].

    Channels are gathered by index, which is quicker than to write or read every second one.
    """

    generate_vmap_rule = True

    @staticmethod
    def forward(first: Tensor, second: Tensor) -> Tensor:
        count = first.shape[1]
        in_turn = torch.arange(2 * count, device=first.device).view(2, count).t().flatten()
        return _gather_channels(torch.cat((first, second), dim=1), in_turn)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        """Keeps nothing: the backward pass needs the gradient alone."""

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        even = torch.arange(0, gradient.shape[1], 2, device=gradient.device)
        return _gather_channels(gradient, even), _gather_channels(gradient, even + 1)


def _gather_channels(maps: Tensor, channels: Tensor) -> Tensor:
    """Picks channels of [B, C, H, W] as columns of a matrix [B·H·W, C], which a channels-last tensor is in memory."""
    last = maps.permute(0, 2, 3, 1)
    picked = last.reshape(-1, last.shape[3]).index_select(1, channels)
    return picked.view(*last.shape[:3], -1).permute(0, 3, 1, 2)
