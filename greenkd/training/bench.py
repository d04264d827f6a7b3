"""The workbench of a campaign: data on the device, splits, networks and their FLOPs, shared by teacher and trials."""

import dataclasses
from collections.abc import Mapping
from functools import cached_property
from typing import Any, Literal

import torch
from torch import nn

from greenkd.components import build
from greenkd.data import Dataset, DatasetOptions, Images, stratified_split
from greenkd.energy import EnergyMonitor
from greenkd.energy.flops import Flops, count_flops
from greenkd.errors import ConfigError
from greenkd.streams import stream_seed
from greenkd.training.backend.cpu_layout import quicken_on_cpu
from greenkd.training.batches import BatchLoader
from greenkd.training.evaluate import Evaluator
from greenkd.training.stop_signals import StopFlag

# Keys of a network's group that are ours, not the target's.
NETWORK_KEYS = ("name", "weights")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Bench:
    """What every training of a campaign shares.

    Attributes:
        threads: Of each training.
        processes: Trainings that run side by side and divide the CPUs.
    """

    options: DatasetOptions
    dataset: Dataset
    device: torch.device
    monitor: EnergyMonitor
    stop: StopFlag
    checkpoint_every_s: float
    threads: int | Literal["auto"]
    processes: int = 1

    @cached_property
    def _parts(self) -> tuple[Images, Images]:
        rows = stratified_split(self.dataset.train.labels, self.options.validation_fraction, self.options.split_seed)
        training, validation = (self.dataset.train.subset(part) for part in rows)
        return training, validation

    @property
    def train(self) -> Images:
        """The training split, on the CPU."""
        return self._parts[0]

    @cached_property
    def validation(self) -> Evaluator:
        """Evaluates on the validation split, cut from the training data; it selects τ."""
        return self._evaluator(self._parts[1])

    @cached_property
    def test(self) -> Evaluator:
        """Evaluates on the test split, which selects nothing."""
        return self._evaluator(self.dataset.test)

    def _evaluator(self, images: Images) -> Evaluator:
        return Evaluator(images, self.options.mean, self.options.std, self.device)

    def loader(self, seed: int, batch_size: int) -> BatchLoader:
        """Returns the batches of a training under one seed; the same object for the same arguments."""
        if (seed, batch_size) not in self._loaders:
            options = self.options
            self._loaders[seed, batch_size] = BatchLoader(
                self._resident, options.augmentation, options.mean, options.std, batch_size, seed, self.device
            )
        return self._loaders[seed, batch_size]

    @cached_property
    def _resident(self) -> Images:
        """The training split on the device, once for all feeds."""
        return self.train.to(self.device)

    @cached_property
    def _loaders(self) -> dict[tuple[int, int], BatchLoader]:
        return {}

    def network(self, config: Mapping[str, Any], where: str, seed: int, index: int = 0) -> nn.Module:
        """Builds a network on the device, its initial weights a function of (seed, index).

        Args:
            config: The `teacher` or `student` group.
            where: Which of the two, for messages.
            seed: Seed of the initial weights.
            index: Which of several networks of one training: 0 the student, 1 its peer.
        """
        dataset = self.dataset
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(stream_seed(seed, "init", index))
            network: nn.Module = build(
                {key: value for key, value in config.items() if key not in NETWORK_KEYS},
                where=where,
                expect=nn.Module,
                given={
                    "num_classes": dataset.num_classes,
                    "in_channels": dataset.in_channels,
                    "image_size": dataset.image_size,
                },
            )
        if (checked := repr(config)) not in self._checked:
            self._check_output(network, where)
            self._checked.add(checked)
        network.to(self.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        return quicken_on_cpu(network) if self.device.type == "cpu" else network

    @cached_property
    def _checked(self) -> set[str]:
        """Groups whose networks have been tried out: every trial builds its network anew, all alike."""
        return set()

    def _check_output(self, network: nn.Module, where: str) -> None:
        dataset = self.dataset
        shape = (2, dataset.in_channels, dataset.image_size, dataset.image_size)
        with torch.no_grad():
            try:
                outputs = network.eval()(torch.zeros(shape))
            except (RuntimeError, ValueError, TypeError) as error:
                first = str(error).splitlines()[0]
                raise ConfigError(f"{where}: the network cannot take images of shape {list(shape)}: {first}") from error
        got = list(outputs.shape) if isinstance(outputs, torch.Tensor) else type(outputs).__name__
        if got != [2, dataset.num_classes]:
            raise ConfigError(
                f"{where}: the network turns 2 images into {got}, but {self.options.name} has "
                f"{dataset.num_classes} classes: logits of shape {[2, dataset.num_classes]} are needed; "
                "let it take `num_classes` as an argument, which is supplied"
            )

    def flops(self, network: nn.Module) -> Flops:
        """Counts the network's FLOPs per image of this data set; networks that print alike are counted once."""
        dataset, architecture = self.dataset, repr(network)
        if architecture not in self.counted:
            shape = (dataset.in_channels, dataset.image_size, dataset.image_size)
            self.counted[architecture] = count_flops(network, shape, backward=True)
        return self.counted[architecture]

    @cached_property
    def counted(self) -> dict[str, Flops]:
        """FLOPs by architecture: a deep network takes seconds to count, and every trial builds it anew."""
        return {}
