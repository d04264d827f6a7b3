"""Batches of a training: images on the device, their order and augmentation functions of (seed, epoch)."""

import dataclasses
from typing import Any, NamedTuple

import torch
from torch import Tensor

from greenkd.data import Augmentation, DetectionAugmentation, DetectionImages, Images, normalise
from greenkd.streams import stream_seed
from greenkd.tasks import AnyTask


class Batch(NamedTuple):
    """One batch as the networks see it."""

    images: Tensor  # [B, C, H, W] float32, channels-last
    labels: Tensor  # [B] int64; [B, A] in detection
    indices: Tensor  # [B] int64, positions in the training split
    offsets: Tensor | None = None  # [B, A, 4] float32 in detection


@dataclasses.dataclass(frozen=True)
class EpochPlan:
    """The order and the views of one epoch."""

    order: Tensor  # [N] int64 on the device
    views: Any  # the task's


class BatchLoader:
    """Makes the batches of every epoch; two loaders with the same arguments make the same bits.

    Args:
        task: Says what the pictures of a batch are to be recognised as.
        images: The training split.
        augmentation: What is drawn anew for every sample and epoch.
        mean: Per-channel mean of the normalisation.
        std: Per-channel standard deviation.
        batch_size: A last batch that is smaller is kept, unless it holds a single sample: batch norm has no variance
            to take from it.
        seed: Seed of order and augmentation.
        device: Where data and batches lie.
    """

    def __init__(
        self,
        task: AnyTask,
        images: Images | DetectionImages,
        augmentation: Augmentation | DetectionAugmentation,
        mean: tuple[float, ...],
        std: tuple[float, ...],
        batch_size: int,
        seed: int,
        device: torch.device,
    ) -> None:
        self._task = task
        self._resident = images.to(device)
        self._augmentation = augmentation
        self._mean, self._std = mean, std
        self._batch_size = batch_size
        self._seed = seed
        self._device = device

        full, rest = divmod(len(images), batch_size)
        self.steps = full + (rest > 1)
        self.samples = min(len(images), self.steps * batch_size)

    def plan(self, epoch: int) -> EpochPlan:
        """Draws the order and the views of one epoch."""
        generator = torch.Generator().manual_seed(stream_seed(self._seed, "order", epoch))
        order = torch.randperm(len(self._resident), generator=generator)
        views = self._task.draw_views(self._resident, self._augmentation, self._seed, epoch)
        return EpochPlan(order.to(self._device), views.to(self._device))

    def rows(self, step: int) -> slice:
        """Returns the positions of one batch within the epoch's order."""
        return slice(step * self._batch_size, min((step + 1) * self._batch_size, self.samples))

    def batch(self, plan: EpochPlan, step: int) -> Batch:
        """Returns one batch of an epoch."""
        indices = plan.order[self.rows(step)]
        pictures, targets = self._task.present(self._resident, self._augmentation, plan.views, indices)
        images = normalise(pictures, self._mean, self._std).contiguous(memory_format=torch.channels_last)
        return Batch(images, targets.labels, indices, targets.offsets)
