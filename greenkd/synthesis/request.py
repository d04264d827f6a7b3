"""Which pool of images is wanted, and what it is a function of."""

import dataclasses
import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from greenkd.synthesis.base import Transfer
from greenkd.training.context import TrainingContext
from greenkd.training.data_module import DataModule

# Settings of the group that stand elsewhere in a pool's key, or are no part of it.
_NOT_CONTENT = ("name", "images", "held_out", "seed", "loader", "arguments", "adversarial", "adversarial_rounds")


@dataclasses.dataclass(frozen=True)
class PoolSize:
    """How many images a pool has.

    Attributes:
        images: For training.
        held_out: Beside them.
    """

    images: int
    held_out: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.images + self.held_out


@dataclasses.dataclass(frozen=True, kw_only=True)
class PoolRequest:
    """Which pool is wanted.

    Attributes:
        transfer: The options.
        config: The same, as the group `transfer` says them.
        teacher: The trained teacher, on the device; it is copied, not changed.
        teacher_key: Its key.
        teacher_flops: FLOPs of its forward pass.
        campaign_id: The campaign that pays if the pool has to be made.
        before_round: Called before every round; may raise a `TrainingInterruptedError`.
        before_step: Called before every step, likewise; returns True.
        on_round: Told of every round that is done, and of how many there are.
    """

    transfer: Transfer
    config: Mapping[str, Any]
    teacher: nn.Module
    teacher_key: str
    teacher_flops: float
    campaign_id: str
    before_round: Callable[[], None]
    before_step: Callable[[], bool]
    on_round: Callable[[int, int], None]


def pool_size(transfer: Transfer, data: DataModule) -> PoolSize:
    """Returns how many images are wanted; where the options do not say, as many as the data set's splits have."""
    return PoolSize(transfer.images or len(data.train), transfer.held_out or len(data.validation))


def pool_key(
    transfer: Transfer, config: Mapping[str, Any], context: TrainingContext, teacher_key: str, size: PoolSize
) -> str:
    """Hashes everything a pool is a function of; names its folder.

    Args:
        transfer: The options.
        config: The same, as the group `transfer` says them; the name is no part of the key.
        context: The campaign's, with the data that the teacher was trained on.
        teacher_key: The teacher's.
        size: How many images.
    """
    options, dataset = context.data.options, context.data.dataset
    content = {
        "transfer": {key: value for key, value in config.items() if key not in _NOT_CONTENT},
        "seed": transfer.seed,
        "size": dataclasses.asdict(size),
        "source": transfer.source_fingerprint(),
        "teacher": teacher_key,
        "augmentation": dataclasses.asdict(options.augmentation),
        "normalisation": (options.mean, options.std),
        "shape": (dataset.num_classes, dataset.in_channels, dataset.image_size),
        "device": context.device.type,
        # `auto` follows from what is hashed already.
        "threads": None if context.threads == "auto" else context.threads,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]
