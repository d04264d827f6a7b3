"""ShuffleNetV2's block with a channel shuffle that keeps the memory format.

Imported when a ShuffleNetV2 is built: it takes torchvision along.
"""

import torch
from torch import Tensor
from torchvision.models.shufflenetv2 import InvertedResidual


class Interleaved(InvertedResidual):  # type: ignore[misc]  # torchvision has no types
    """torchvision's block, which interleaves its two branches instead of concatenating and shuffling them.

    The same numbers in the same places. torchvision's shuffle leaves a channels-last tensor contiguous, which the next
    convolution reorders back.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Maps [B, C, H, W] to [B, C', H / stride, W / stride]."""
        if self.stride == 1:
            first, second = x.chunk(2, dim=1)
            second = self.branch2(second)
        else:
            first, second = self.branch1(x), self.branch2(x)
        pairs = torch.stack((first.permute(0, 2, 3, 1), second.permute(0, 2, 3, 1)), dim=4)
        return pairs.flatten(3, 4).permute(0, 3, 1, 2)
