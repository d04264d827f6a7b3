from pathlib import Path

import pytest
import torch
from torch import Tensor

from greenkd.data.base import Dataset, Images
from greenkd.errors import DataError
from studies import small_pictures
from studies.small_pictures import load_small_pictures


def pictures(pixels: Tensor) -> Images:
    return Images(pixels, torch.arange(len(pixels)) % 2)


@pytest.fixture(autouse=True)
def full_size(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A data set of 8×8 pixels in the place of CIFAR-10."""
    generator = torch.Generator().manual_seed(0)
    train, test = (
        pictures(torch.randint(0, 256, (count, 3, 8, 8), generator=generator, dtype=torch.uint8)) for count in (6, 4)
    )
    dataset = Dataset(train, test, ("a", "b"))
    monkeypatch.setattr(small_pictures, "load_cifar10", lambda **_: dataset)
    return dataset


def test_a_pixel_is_the_mean_of_its_square(full_size: Dataset) -> None:
    small = load_small_pictures(source="cifar10", root=Path(), image_size=4)
    means = torch.nn.functional.avg_pool2d(full_size.train.images.double(), 2)
    assert small.image_size == 4
    assert (small.train.images.double() - means).abs().max() <= 0.5
    assert torch.equal(small.test.labels, full_size.test.labels)


def test_a_half_is_rounded_up() -> None:
    pixels = torch.tensor([[0, 1], [0, 1]], dtype=torch.uint8).view(1, 1, 2, 2)
    assert small_pictures._reduced(pixels, 1).item() == 1


def test_the_full_size_is_the_data_set_itself(full_size: Dataset) -> None:
    assert torch.equal(
        load_small_pictures(source="cifar10", root=Path(), image_size=8).train.images, full_size.train.images
    )


def test_a_size_that_does_not_divide_is_refused() -> None:
    with pytest.raises(DataError, match="image_size=5"):
        load_small_pictures(source="cifar10", root=Path(), image_size=5)
