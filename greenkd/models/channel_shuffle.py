"""ShuffleNetV2's block with a channel shuffle that keeps the memory format.

Imported when a ShuffleNetV2 is built: it takes torchvision along.
"""

from typing import Any

import torch
from torch import Tensor
from torchvision.models.shufflenetv2 import InvertedResidual


class Interleaved(InvertedResidual):  # type: ignore[misc]  # torchvision has no types
    """torchvision's block, which interleaves its two branches instead of concatenating and shuffling them.

    The same numbers in the same places. torchvision's shuffle leaves a channels-last tensor contiguous, which the next
    convolution reorders back, and its gradients are views with gaps, over which PyTorch goes slowly.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Maps [B, C, H, W] to [B, C', H / stride, W / stride]."""
        if self.stride == 1:
            first, second = _Halves.apply(x)
            second = self.branch2(second)
        else:
            first, second = self.branch1(x), self.branch2(x)
        woven: Tensor = _Weave.apply(first, second)
        return woven


class _Halves(torch.autograd.Function):
    """The two halves of the channels, each without gaps."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor) -> tuple[Tensor, Tensor]:
        first, second = x.chunk(2, dim=1)
        return first.clone(), second.clone()  # in the layout of x

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor], output: tuple[Tensor, Tensor]) -> None:
        """Needs nothing kept."""

    @staticmethod
    def backward(_ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        return torch.cat((first, second), dim=1)


class _Weave(torch.autograd.Function):
    """Channels of two tensors in turn; gathered by index, which is quicker than writing or reading every second one."""

    generate_vmap_rule = True

    @staticmethod
    def forward(first: Tensor, second: Tensor) -> Tensor:
        count = first.shape[1]
        in_turn = torch.arange(2 * count, device=first.device).view(2, count).t().flatten()
        return _gather(torch.cat((first, second), dim=1), in_turn)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        """Needs nothing kept."""

    @staticmethod
    def backward(_ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor]:
        even = torch.arange(0, gradient.shape[1], 2, device=gradient.device)
        return _gather(gradient, even), _gather(gradient, even + 1)


def _gather(maps: Tensor, channels: Tensor) -> Tensor:
    """Picks channels of [B, C, H, W]; of a matrix [B·H·W, C], which no dimension but the last tells apart."""
    last = maps.permute(0, 2, 3, 1)
    picked = last.reshape(-1, last.shape[3]).index_select(1, channels)
    return picked.view(*last.shape[:3], -1).permute(0, 3, 1, 2)
