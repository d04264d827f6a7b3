"""Floating-point operations of a network, counted once on the meta device: no memory, no arithmetic, no energy.

Convention: 1 multiply-accumulate = 2 FLOPs; convolutions and matrix products only (no normalisation, activation or
pooling: FLOP counters disagree on these, and batch norms alone add up to 12.9 % to a network's multiply-accumulates
where each of their four operations counts as one; `python -m scripts.flop_conventions` prints both).
"""

import copy
import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from greenkd.late_packages import flop_counter

_CONVOLUTION_BACKWARD = torch.ops.aten.convolution_backward
# Batch normalisation refuses to normalise over a single value per channel.
_BATCH = 2


@dataclass(frozen=True, slots=True)
class Flops:
    """FLOPs of one image.

    Attributes:
        forward: Of the forward pass.
        training: Of forward and backward pass; equal to `forward` where no backward was asked for.
    """

    forward: float
    training: float

    @property
    def forward_macs(self) -> float:
        """Multiply-accumulates of the forward pass."""
        return self.forward / 2


def count_flops(module: nn.Module, input_shape: tuple[int, ...], *, backward: bool, to_inputs: bool = False) -> Flops:
    """Counts the FLOPs of one image.

    Args:
        module: Any network with one tensor as input and one as output; it is copied, not changed.
        input_shape: Shape of one image, [C, H, W], without the batch.
        backward: Whether to count a backward pass to all parameters too.
        to_inputs: Whether that pass goes on to the images, as where these are learned.

    Returns:
        FLOPs of one image.
    """
    network = copy.deepcopy(module).to("meta").train()
    images = torch.empty(_BATCH, *input_shape, device="meta", requires_grad=to_inputs)
    return _counted(network, images, backward=backward)


def count_flops_to_images(module: nn.Module, input_shape: tuple[int, ...]) -> Flops:
    """Counts the FLOPs of one image that a frozen network is asked about, and of the gradient of its answer.

    Args:
        module: As for `count_flops`.
        input_shape: As for `count_flops`.

    Returns:
        FLOPs of the forward pass and, as `training`, of that and the backward pass to the image alone, which is once
        the forward pass's.
    """
    network = copy.deepcopy(module).to("meta").eval().requires_grad_(False)
    images = torch.empty(_BATCH, *input_shape, device="meta", requires_grad=True)
    return _counted(network, images, backward=True)


def _counted(network: nn.Module, images: torch.Tensor, *, backward: bool) -> Flops:
    """Counts a forward pass on the meta device, and the backward pass to whatever takes a gradient."""
    mapping = {} if builtin_backward_is_right() else {_CONVOLUTION_BACKWARD: convolution_backward_flops}
    counter = flop_counter.FlopCounterMode(display=False, custom_mapping=mapping)
    with counter, torch.set_grad_enabled(backward):
        logits = network(images)
        forward = counter.get_total_flops()
        if backward:
            logits.sum().backward()
        training = counter.get_total_flops()

    return Flops(forward=forward / _BATCH, training=training / _BATCH)


@functools.cache
def builtin_backward_is_right() -> bool:
    """Tells whether this PyTorch counts the backward pass of grouped convolutions rightly.

    A backward pass to both input and weight costs twice the forward pass, whatever the number of groups. Up to 2.15 at
    least, the built-in rule leaves groups out of the weight's gradient and counts (1 + groups) / 2 times too much.
    """
    layer = nn.Conv2d(8, 8, 3, groups=8, bias=False, device="meta")
    images = torch.empty(1, 8, 6, 6, device="meta", requires_grad=True)

    with flop_counter.FlopCounterMode(display=False) as counter:
        result = layer(images)
        forward = counter.get_total_flops()
        result.sum().backward()

    return bool(counter.get_total_flops() == 3 * forward)


def convolution_backward_flops(
    grad_out_shape: Sequence[int],
    x_shape: Sequence[int],
    w_shape: Sequence[int],
    _bias: Any,
    _stride: Any,
    _padding: Any,
    _dilation: Any,
    transposed: bool,
    _output_padding: Any,
    _groups: int,
    output_mask: Sequence[bool],
    out_shape: Any = None,
    **_kwargs: Any,
) -> int:
    """Counts a convolution's backward pass: each gradient asked for costs as much as the forward pass.

    The weight's shape holds input channels per group, so the formula is right for any number of groups. The arguments
    are those of `aten::convolution_backward`, tensors replaced by their shapes.

    Args:
        grad_out_shape: [B, C_out, H_out, W_out].
        x_shape: [B, C_in, H, W].
        w_shape: [C_out, C_in / groups, h, w].
        transposed: Whether the convolution is transposed.
        output_mask: Whether the gradients of images, weight and bias are asked for.
        out_shape: Is not used.

    Returns:
        FLOPs of the gradients that are asked for; that of the bias counts nothing.
    """
    spatial = x_shape[2:] if transposed else grad_out_shape[2:]
    forward = 2 * grad_out_shape[0] * math.prod(spatial) * math.prod(w_shape)
    return forward * (bool(output_mask[0]) + bool(output_mask[1]))
