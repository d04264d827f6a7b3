"""Against per-image references: PIL for rotation, slicing for crop and flip, with the drawn parameters."""

import math

import numpy as np
import pytest
import torch
import torchvision.transforms.functional as reference
from PIL import Image

from greenkd.components import build
from greenkd.data import Augmentation, Views
from greenkd.errors import ConfigError


def per_image(image: torch.Tensor, views: Views, index: int, padding: int) -> torch.Tensor:
    """Crop, flip and rotate one picture with torchvision on PIL images."""
    grey = image.shape[0] == 1
    picture = Image.fromarray(image[0].numpy() if grey else image.permute(1, 2, 0).numpy())
    row, column = views.offsets[index].tolist()
    padded = reference.pad(picture, padding)
    picture = reference.crop(padded, row, column, *image.shape[1:])
    if views.flips[index]:
        picture = reference.hflip(picture)
    cosine, sine = views.rotations[index].tolist()
    picture = reference.rotate(picture, math.degrees(math.atan2(sine, cosine)))
    array = np.array(picture)
    return torch.from_numpy(array[None] if grey else array.transpose(2, 0, 1))


@pytest.mark.parametrize(
    ("augmentation", "channels", "size"),
    [
        (Augmentation(4, True, 0.0), 3, 32),
        (Augmentation(1, False, 0.0), 1, 8),
        (Augmentation(0, True, 0.0), 3, 9),
        (Augmentation(0, False, 20.0), 3, 64),
        (Augmentation(4, True, 15.0), 3, 32),
        (Augmentation(2, True, 180.0), 1, 15),
    ],
)
def test_equals_the_per_image_pipeline(augmentation: Augmentation, channels: int, size: int) -> None:
    images = torch.randint(0, 256, (200, channels, size, size), dtype=torch.uint8)
    views = augmentation.draw(200, seed=3, epoch=5)
    indices = torch.randperm(200)[:150]
    batch = augmentation.apply(images, views, indices)
    assert batch.dtype == torch.uint8
    assert batch.shape == (150, channels, size, size)
    expected = [per_image(images[i], views, i, augmentation.crop_padding) for i in indices.tolist()]
    assert torch.equal(batch, torch.stack(expected))


def test_changes_nothing_by_default() -> None:
    images = torch.randint(0, 256, (20, 3, 8, 8), dtype=torch.uint8)
    augmentation = Augmentation()
    indices = torch.tensor([3, 3, 19, 0])
    assert torch.equal(augmentation.apply(images, augmentation.draw(20, 0, 0), indices), images[indices])


def test_views_cover_their_ranges_evenly() -> None:
    views = Augmentation(4, True, 15.0).draw(20_000, seed=0, epoch=0)
    counts = torch.bincount(views.offsets[:, 0] * 9 + views.offsets[:, 1], minlength=81)
    assert len(counts) == 81
    # 247 expected in each of the 81 places, sd 15.6: five standard deviations.
    assert counts.min() > 169
    assert counts.max() < 325
    assert abs(views.flips.float().mean().item() - 0.5) < 0.018
    degrees = torch.rad2deg(torch.atan2(views.rotations[:, 1].double(), views.rotations[:, 0].double()))
    assert degrees.min() < -14.9
    assert degrees.max() > 14.9
    assert degrees.abs().max() <= 15.0 + 1e-6
    assert abs(degrees.mean().item()) < 0.31  # sd 8.66 / sqrt(20,000) = 0.061


def test_views_are_a_function_of_seed_and_epoch() -> None:
    augmentation = Augmentation(4, True, 15.0)
    first, again = augmentation.draw(100, 1, 2), augmentation.draw(100, 1, 2)
    for other in (augmentation.draw(100, 1, 3), augmentation.draw(100, 2, 2)):
        assert not torch.equal(first.offsets, other.offsets)
    assert torch.equal(first.offsets, again.offsets)
    assert torch.equal(first.flips, again.flips)
    assert torch.equal(first.rotations, again.rotations)


def test_a_rotation_leaves_crops_and_flips_as_they_were() -> None:
    plain, turned = Augmentation(4, True, 0.0).draw(100, 0, 0), Augmentation(4, True, 15.0).draw(100, 0, 0)
    assert torch.equal(plain.offsets, turned.offsets)
    assert torch.equal(plain.flips, turned.flips)


def test_a_sample_has_its_view_in_any_batch() -> None:
    images = torch.randint(0, 256, (50, 3, 16, 16), dtype=torch.uint8)
    augmentation = Augmentation(2, True, 10.0)
    views = augmentation.draw(50, 0, 0)
    order = torch.randperm(50)
    whole = augmentation.apply(images, views, torch.arange(50))
    parts = torch.cat([augmentation.apply(images, views, batch) for batch in order.split(7)])
    assert torch.equal(parts, whole[order])


@pytest.mark.parametrize(
    ("key", "value"), [("crop_padding", -1), ("rotation_deg", 181.0), ("rotation_deg", math.nan), ("flips", True)]
)
def test_refuses_what_makes_no_sense(key: str, value: object) -> None:
    with pytest.raises(ConfigError, match=key):
        build({"_target_": "greenkd.data.Augmentation", key: value}, where="augmentation", expect=Augmentation)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU")
def test_a_gpu_makes_the_same_bytes() -> None:
    images = torch.randint(0, 256, (500, 3, 32, 32), dtype=torch.uint8)
    augmentation = Augmentation(4, True, 15.0)
    views, indices = augmentation.draw(500, 0, 0), torch.randperm(500)
    on_gpu = augmentation.apply(images.cuda(), views.to("cuda"), indices.cuda())
    assert torch.equal(on_gpu.cpu(), augmentation.apply(images, views, indices))
