"""FLOPs of making images: by hand for one network, and against what PyTorch counts while images are made."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from greenkd.energy.flops import count_flops_to_images
from greenkd.models import small_cnn
from greenkd.synthesis import CMI, DeepInversion, Fast, Transfer
from greenkd.synthesis.generator import Generator
from tests.synthesis.setups import setup

SMALL = {"batch_size": 16, "latent_size": 5, "width": 3}


def test_the_teachers_backward_pass_to_the_images_by_hand() -> None:
    # A 3×3 convolution of 1→32 channels at 8×8, one of 32→64 at 4×4, a linear layer of 64→10; 1 MAC = 2 FLOPs.
    forward = 2 * (64 * 32 * 9 + 16 * 64 * 32 * 9 + 64 * 10)
    counted = count_flops_to_images(small_cnn(10, 1, 8), (1, 8, 8))
    assert counted.forward == forward
    assert counted.training == 2 * forward, "no weight takes a gradient, every map and the image do"


def test_the_generators_size_is_the_published_one() -> None:
    generator = Generator(latent_size=256, width=64, channels=3, image_size=32)
    assert sum(parameter.numel() for parameter in generator.parameters()) == pytest.approx(2.33e6, rel=5e-3)


@pytest.mark.parametrize("size", [8, 30, 32])
def test_a_generator_makes_images_of_any_size(size: int) -> None:
    images = Generator(4, 2, 3, size)(torch.randn(2, 4))
    assert images.shape == (2, 3, size, size)
    assert 0 <= images.min() <= images.max() <= 1


@pytest.mark.parametrize(
    "transfer",
    [
        Fast(**SMALL, steps=2),
        Fast(**SMALL, steps=1, bn_weight=0.0),
        CMI(**SMALL, steps=2, embedding_size=6, bank_size=40, negatives=24),
        CMI(**SMALL, steps=2, contrast_weight=0.0),
        DeepInversion(batch_size=16, steps=3),
    ],
    ids=["fast", "classes alone", "cmi", "without contrast", "deepinv"],
)
def test_counts_are_those_of_the_rounds_as_executed(transfer: Transfer) -> None:
    synthesiser = transfer.synthesiser(setup())
    for number in range(3):
        expected = synthesiser.flops(number).training * synthesiser.batch_size * synthesiser.steps
        with FlopCounterMode(display=False) as counter:
            synthesiser.make(number, lambda: None)
        assert counter.get_total_flops() == expected, f"round {number}"
