"""Networks for one data set: built with seeded weights, tried on two images, and their FLOPs counted."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from greenkd.components import build
from greenkd.data import AnyDataset
from greenkd.energy.flops import Flops, count_flops
from greenkd.errors import ConfigError
from greenkd.streams import stream_seed
from greenkd.tasks import AnyTask
from greenkd.training.backend.cpu_layout import quicken_on_cpu

# Keys of a network's group that are ours, not the target's.
NETWORK_KEYS = ("name", "weights")


class NetworkFactory:
    """Builds the networks of a campaign.

    Args:
        task: Says what a network has to return.
        dataset: Says how many classes there are and how large images are.
        name: The data set's, for messages.
        device: Where the networks lie.
    """

    def __init__(self, task: AnyTask, dataset: AnyDataset, name: str, device: torch.device) -> None:
        self._task = task
        self._dataset = dataset
        self._name = name
        self._device = device
        # Every trial builds its network anew, all alike: each group is tried once, each architecture counted once.
        self._tried: set[str] = set()
        self._flops: dict[str, Flops] = {}
        self._forward_flops: dict[str, float] = {}

    def build(self, config: Mapping[str, Any], where: str, seed: int, index: int = 0) -> nn.Module:
        """Builds a network on the device, its initial weights a function of (seed, index).

        Args:
            config: The `teacher` or `student` group.
            where: Which of the two, for messages.
            seed: Seed of the initial weights.
            index: Which of several networks of one training: 0 the student, 1 its peer.

        Raises:
            ConfigError: The network cannot be built, or does not return what the task needs.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "init", index))
            network: nn.Module = build(
                {key: value for key, value in config.items() if key not in NETWORK_KEYS},
                where=where,
                expect=nn.Module,
                given=self._task.given(self._dataset),
            )

        if (group := repr(config)) not in self._tried:
            self._try(network, where)
            self._tried.add(group)

        network.to(self._device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return quicken_on_cpu(network) if self._device.type == "cpu" else network

    def _try(self, network: nn.Module, where: str) -> None:
        """Runs two black images through a network, in evaluation and in training, to refuse it before anything is.

        Raises:
            ConfigError: It breaks off, returns no logits of the task's shape, or has nothing to train.
        """
        if not any(parameter.requires_grad for parameter in network.parameters()):
            raise ConfigError(f"{where}: the network has no parameter that could be trained")

        dataset = self._dataset
        shape = (2, dataset.in_channels, dataset.image_size, dataset.image_size)
        needed = [2, *self._task.output_shape(dataset)]
        before = [buffer.clone() for buffer in network.buffers()]
        for mode in ("evaluation", "training"):
            try:
                with torch.no_grad(), torch.random.fork_rng(devices=[]):
                    outputs = network.train(mode == "training")(torch.zeros(shape))
            except Exception as error:  # whatever a network of the user's own dies of, it would die of in training
                first = (str(error).splitlines() or [""])[0]
                raise ConfigError(
                    f"{where}: the network cannot take images of shape {list(shape)} in {mode}: "
                    f"{type(error).__name__}: {first}"
                ) from error

            returned = _described(outputs)
            if returned != f"float32 {needed}":
                raise ConfigError(
                    f"{where}: in {mode} the network turns 2 images into {returned}, but {self._name} has "
                    f"{dataset.num_classes} classes: one tensor of {self._task.outputs}, float32 {needed}, is needed; "
                    f"let it take {self._task.supplied}"
                )

        # Batch norms have taken notice of what they saw; they forget it.
        network.eval()
        with torch.no_grad():
            for buffer, value in zip(network.buffers(), before, strict=True):
                buffer.copy_(value)

    def flops(self, network: nn.Module) -> Flops:
        """Counts a network's FLOPs per image of this data set; networks that print alike are counted once."""
        architecture = repr(network)
        if architecture not in self._flops:
            dataset = self._dataset
            shape = (dataset.in_channels, dataset.image_size, dataset.image_size)
            self._flops[architecture] = count_flops(network, shape, backward=True)
        return self._flops[architecture]

    def forward_flops(self, config: Mapping[str, Any], where: str) -> float:
        """Counts a forward pass per image of the network that a group names, without one at hand.

        Args:
            config: The `teacher` or `student` group.
            where: Which of the two, for messages.
        """
        group = repr(config)
        if group not in self._forward_flops:
            self._forward_flops[group] = self.flops(self.build(config, where, seed=0)).forward
        return self._forward_flops[group]

    @property
    def counted_flops(self) -> dict[str, Flops]:
        """FLOPs by architecture, as counted so far: a deep network takes seconds to count."""
        return dict(self._flops)

    def take_counts(self, counts: Mapping[str, Flops]) -> None:
        """Takes over what another process has counted for the same data set."""
        self._flops.update(counts)


def _described(outputs: object) -> str:
    """Describes what a network returned."""
    if not isinstance(outputs, torch.Tensor):
        return type(outputs).__name__
    return f"{str(outputs.dtype).removeprefix('torch.')} {list(outputs.shape)}"
