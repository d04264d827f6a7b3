"""What the teacher is shown: parts of the images, rolled images, and a gradient back to them."""

import numpy as np
import torch

from greenkd.synthesis.base import to_bytes
from greenkd.synthesis.views import local_views, shifted
from tests.synthesis.setups import setup


def random(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_a_local_view_is_a_part_of_its_image() -> None:
    # In a ramp from left to right every value says where it was taken from.
    ramp = torch.linspace(0, 1, 64).expand(500, 1, 64, 64)
    views = local_views(ramp, flip=False, random=random())
    left, right = views[:, 0, 32, 0], views[:, 0, 32, -1]
    width = right - left
    assert (views >= 0).all()
    assert (views <= 1).all()
    assert (width > 0).all(), "not mirrored"
    assert width.min() < 0.48, "down to the side of a quarter of the area at 3:4"
    assert width.min() > 0.4
    assert width.max() > 0.95
    assert left.min() < 0.05
    assert right.max() > 0.95


def test_local_views_are_mirrored_where_the_data_set_is() -> None:
    ramp = torch.linspace(0, 1, 16).expand(400, 1, 16, 16)
    views = local_views(ramp, flip=True, random=random())
    mirrored = (views[:, 0, 8, -1] < views[:, 0, 8, 0]).float().mean()
    assert 0.4 < mirrored < 0.6


def test_a_shift_rolls_and_mirrors_all_images_alike() -> None:
    images = torch.rand(3, 2, 16, 16, generator=random())
    seen = set()
    for seed in range(200):
        result = shifted(images, flip=True, random=random(seed)).numpy()
        found = [
            (down, right, mirrored)
            for down in range(-2, 3)
            for right in range(-2, 3)
            for mirrored in (False, True)
            if np.array_equal(np.roll(images.numpy(), (down, right), (2, 3))[..., :: -1 if mirrored else 1], result)
        ]
        assert len(found) == 1
        seen.update(found)
    assert len(seen) > 45, "of 50 all but a few"


def test_a_gradient_flows_back_through_the_data_sets_augmentation() -> None:
    made_from = setup(flip=True)
    images = torch.rand(5, 1, 8, 8, requires_grad=True)
    view = made_from.view(images, number=0, step=0)
    view.sum().backward()
    assert images.grad is not None
    # Each pixel that the crop has kept is seen once, divided by the standard deviation of 0.4.
    assert set(images.grad.unique().tolist()) == {0.0, 2.5}

    views = made_from.augmentation.draw(5, made_from.round_seed(0), 0)
    as_bytes = (images.detach() * 255).round().to(torch.uint8)
    expected = made_from.augmentation.apply(as_bytes, views, torch.arange(5)).float() / 255
    assert ((view.detach() * 0.4 + 0.3) - expected).abs().max() < 0.5 / 255 + 1e-6


def test_bytes_are_rounded() -> None:
    assert to_bytes(torch.tensor([0.0, 0.5 / 255 - 1e-4, 0.6 / 255, 1.0])).tolist() == [0, 0, 1, 255]
