"""A small teacher with statistics of its own, and what images are made from it."""

import copy

import torch
from torch import nn

from greenkd.data import Augmentation
from greenkd.models import small_cnn
from greenkd.synthesis import SynthesisSetup


def teacher(width: int = 4) -> nn.Module:
    """A network whose running statistics are not those that it began with."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = small_cnn(10, 1, 8, width).train()
        for _ in range(20):
            network(torch.randn(32, 1, 8, 8))
    return network.eval().requires_grad_(False)


def setup(network: nn.Module | None = None, *, seed: int = 0, flip: bool = False) -> SynthesisSetup:
    return SynthesisSetup(
        teacher=copy.deepcopy(network or teacher()),
        num_classes=10,
        channels=1,
        image_size=8,
        mean=(0.3,),
        std=(0.4,),
        augmentation=Augmentation(crop_padding=1, flip=flip),
        device=torch.device("cpu"),
        seed=seed,
    )
