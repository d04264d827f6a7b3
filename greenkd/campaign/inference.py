"""What using a network costs: forward passes over the whole evaluation set, metered in a phase of their own.

The bars (b) and (c) of figure 1 of Rafat et al. (2023) for our networks: seconds and grams of using them on the test
set.
"""

import time
import weakref
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from greenkd.records import InferenceRecord, NetworkRecord, Phase, scale_costs
from greenkd.training.backend.threads import use_threads
from greenkd.training.context import TrainingContext
from greenkd.training.recipe import Recipe

# Passes repeat until so many seconds are full: one pass of a small network is shorter than a meter's update.
WINDOW_S = 1.0


def measure_inference(
    context: TrainingContext,
    network: nn.Module,
    recipe: Recipe,
    size: NetworkRecord,
    *,
    trial: int | None,
    attempt: int,
    window_s: float = WINDOW_S,
    most_passes: int | None = None,
) -> InferenceRecord:
    """Meters whole passes over the test set: normalisation, and counting of hits or non-maximum suppression, included.

    To be called once per trial and process: the costs are all that the monitor holds for that trial's inference.

    Args:
        context: The campaign's data, device and energy monitor.
        network: Trained, on the device.
        recipe: Its precision is used.
        size: The network's parameters and FLOPs.
        trial: The trial whose student this is; None for the teacher.
        attempt: The attempt at that trial.
        window_s: Seconds to fill with passes; 0 for a single pass.
        most_passes: More are not made though the window is not full, because a budget does not allow their FLOPs.
    """
    split, monitor = context.data.test, context.monitor
    images = len(split)
    batch = min(images, split.batch_size)
    flops = None if size.forward_flops_per_image is None else images * size.forward_flops_per_image
    threads = use_threads(context.threads, (flops or 0.0) * batch / images)

    # Memory. It warms up as well: the first pass at a new batch size chooses kernels and fills the allocator.
    with monitor.phase(Phase.CALIBRATION, trial=trial, attempt=attempt):
        peak_bytes, method = peak_memory(context, network, recipe, batch)

    # Whole passes
    passes, started = 0, time.monotonic()
    with monitor.phase(Phase.INFERENCE, trial=trial, attempt=attempt) as handle:
        while passes == 0 or (passes != most_passes and time.monotonic() - started < window_s):
            split.use(network, recipe)
            handle.add_work(images, flops=flops, forward_flops=flops)
            passes += 1

    monitor.flush()
    costs = monitor.costs(trial=trial, attempt=attempt, phase=Phase.INFERENCE)
    return InferenceRecord(
        network=size.name,
        parameters=size.parameters,
        images=images,
        batch_size=batch,
        threads=threads if context.device.type == "cpu" else None,
        passes=passes,
        costs=scale_costs(costs, 1 / passes),
        images_per_s=images * passes / costs.duration_s,
        peak_memory_bytes=peak_bytes,
        peak_memory_method=method,
    )


def peak_memory(context: TrainingContext, network: nn.Module, recipe: Recipe, batch_size: int) -> tuple[int, str]:
    """Returns the most bytes that one batch's forward pass needs at once, and how they were found.

    Weights, buffers, the batch and what the layers make of it. On a GPU the allocator is asked, kernels' workspaces
    included (`allocator`). A CPU's allocator keeps no such account, and the process's resident size is mostly what
    trainings before have left behind; there the tensors alive at once are added up (`tensors`).
    """
    dataset, device = context.data.dataset, context.device
    shape = (batch_size, dataset.in_channels, dataset.image_size, dataset.image_size)
    weights_bytes = sum(tensor.numel() * tensor.element_size() for tensor in network.state_dict().values())

    def run() -> None:
        images = torch.zeros(shape, device=device).contiguous(memory_format=torch.channels_last)
        with recipe.autocast(device):
            network(images)

    network.eval()
    with torch.inference_mode():
        if device.type == "cuda":
            torch.cuda.reset_peak_memory_stats(device)
            before = torch.cuda.memory_allocated(device)
            run()
            return weights_bytes + torch.cuda.max_memory_allocated(device) - before, "allocator"

        with _LiveTensors() as live:
            run()
        return weights_bytes + live.peak_bytes, "tensors"


class _LiveTensors(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch has no types here
    """Adds up the memory of all tensors that operators make, from their making to their last use.

    Attributes:
        peak_bytes: The largest sum so far.
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak_bytes = 0
        self._sizes: dict[int, int] = {}

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        inputs = {_memory(tensor) for tensor in _tensors((args, kwargs))}
        outputs = func(*args, **(kwargs or {}))

        for tensor in _tensors(outputs):
            identity = _memory(tensor)
            if identity not in inputs and identity not in self._sizes:  # views and in-place results are no new memory
                storage = tensor.untyped_storage()
                self._sizes[identity] = storage.nbytes()
                weakref.finalize(storage, self._sizes.pop, identity)
        self.peak_bytes = max(self.peak_bytes, sum(self._sizes.values()))
        return outputs


def _tensors(tree: Any) -> list[Tensor]:
    """Returns the tensors among the leaves of nested containers."""
    return [leaf for leaf in tree_leaves(tree) if isinstance(leaf, Tensor)]


def _memory(tensor: Tensor) -> int:
    """Returns what tells a tensor's memory from any other's; views share it."""
    return int(tensor.untyped_storage()._cdata)
