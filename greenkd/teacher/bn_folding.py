"""A teacher without batch norms: in evaluation mode each is a scale and a shift of the convolution before it.

That saves a pass over every map, but rounds in other places: an option, used only where the logits stay within a bound.
"""

import copy

import torch
from torch import Tensor, fx, nn
from torch.fx.experimental.optimization import fuse

from greenkd.training.backend.cpu_layout import SmallMapConv2d
from greenkd.training.recipe import Recipe

# Of the largest logit. Rounding in float32 moves logits by some 1e-6 of it, float16 logits by 5e-4.
BOUND = 1e-4


class _Tracer(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        """Looks into no convolution, ours included."""
        return isinstance(m, nn.Conv2d) or super().is_leaf_module(m, module_qualified_name)


def fold_batch_norms(network: nn.Module, images: Tensor, recipe: Recipe) -> tuple[nn.Module, str | None]:
    """Folds batch norms into the convolutions before them.

    Args:
        network: In evaluation mode, on the device; it is not changed.
        images: A batch to compare on, [B, C, H, W].
        recipe: Its precision is used.

    Returns:
        The folded network and None; or the network as it was, and why.
    """
    if network.training:
        raise ValueError("batch norms can be folded in evaluation mode only")

    # A copy whose structure is known
    try:
        traced = fx.GraphModule(copy.deepcopy(network), _Tracer().trace(network))
    except (fx.proxy.TraceError, TypeError, RuntimeError) as error:
        return network, f"its code cannot be traced ({(str(error).splitlines() or [type(error).__name__])[0]})"
    for module in traced.modules():
        if isinstance(module, SmallMapConv2d):  # a way around a slow backward pass, of which there is none here
            module.__class__ = nn.Conv2d  # type: ignore[assignment]

    # The folded network, held against the one it came from
    folded: nn.Module = fuse(traced, no_trace=True)
    folded.to(memory_format=torch.channels_last)
    with torch.inference_mode(), recipe.autocast(images.device):
        logits, folded_logits = network(images).float(), folded(images).float()
    shift = float((folded_logits - logits).abs().max() / logits.abs().max())
    if not shift <= BOUND:
        return network, f"its logits would move by {shift:.1e} of the largest, more than {BOUND:.0e}"
    return folded, None
