import pytest
import torch

from greenkd.data import Dataset, Images, channel_statistics, load_generated, normalise
from greenkd.errors import DataError


def images(n: int = 4, size: tuple[int, int] = (6, 6), channels: int = 3, classes: int = 2) -> Images:
    pixels = torch.arange(n * channels * size[0] * size[1]).view(n, channels, *size) % 256
    return Images(pixels.to(torch.uint8), torch.arange(n) % classes)


def test_a_data_set_tells_its_shape() -> None:
    dataset = Dataset(images(), images(2), ("cat", "dog"))
    assert (dataset.num_classes, dataset.in_channels, dataset.image_size) == (2, 3, 6)
    subset = dataset.train.subset(torch.tensor([3, 0]))
    assert len(subset) == 2
    assert torch.equal(subset.images, dataset.train.images[[3, 0]])
    assert subset.labels.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("train", "test", "names", "message"),
    [
        (images(), images(size=(5, 5)), ("a", "b"), "differ in shape"),
        (images(size=(6, 5)), images(size=(6, 5)), ("a", "b"), "square"),
        (images(channels=2), images(channels=2), ("a", "b"), "2 channels"),
        (images(classes=3), images(), ("a", "b"), "from 0 to 2, but there are 2"),
        (images(), images(), ("a", "b", "c"), "no usable image of class 'c'"),
    ],
)
def test_refuses_a_data_set_that_is_none(train: Images, test: Images, names: tuple[str, ...], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Dataset(train, test, names)


@pytest.mark.parametrize(
    ("pixels", "labels"),
    [
        (torch.zeros(2, 3, 4, 4), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 4, 4, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64)),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(3, dtype=torch.int64)),
        (torch.zeros(2, 3, 4, 4, dtype=torch.uint8), torch.zeros(2)),
        (torch.zeros(0, 3, 4, 4, dtype=torch.uint8), torch.zeros(0, dtype=torch.int64)),
    ],
)
def test_refuses_tensors_of_another_kind(pixels: torch.Tensor, labels: torch.Tensor) -> None:
    with pytest.raises(DataError):
        Images(pixels, labels)


def test_the_fingerprint_sees_every_byte() -> None:
    dataset = Dataset(images(), images(2), ("a", "b"))
    # Recorded: it goes into the names of cached teachers, so it must not change between machines and versions.
    assert dataset.fingerprint == FINGERPRINT
    pixels = dataset.test.images.clone()
    pixels[-1, -1, -1, -1] ^= 1
    assert Dataset(dataset.train, Images(pixels, dataset.test.labels), ("a", "b")).fingerprint != FINGERPRINT
    swapped = Images(dataset.train.images, dataset.train.labels.flip(0))
    assert Dataset(swapped, dataset.test, ("a", "b")).fingerprint != FINGERPRINT


FINGERPRINT = "02a2a81dd2b9f430619fa96aac1a4193b8bc5d52c24e96ad6c5d673b68c40c70"


def test_normalises_as_the_formula_says() -> None:
    pixels = torch.randint(0, 256, (5, 3, 4, 4), dtype=torch.uint8)
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.25, 0.3)
    out = normalise(pixels, mean, std)
    assert out.dtype == torch.float32
    expected = (pixels.double() / 255 - torch.tensor(mean).double().view(3, 1, 1)) / torch.tensor(std).view(3, 1, 1)
    assert torch.allclose(out.double(), expected, atol=1e-6)


def test_normalised_images_can_be_trained_on_after_inference_mode() -> None:
    pixels = torch.randint(0, 256, (2, 1, 4, 4), dtype=torch.uint8)
    with torch.inference_mode():
        normalise(pixels, (0.123,), (0.456,))
    layer = torch.nn.Conv2d(1, 1, 3)
    layer(normalise(pixels, (0.123,), (0.456,))).sum().backward()
    assert layer.weight.grad is not None


def test_channel_statistics_are_those_of_all_pixels() -> None:
    pixels = load_generated(num_classes=3, image_size=7, train_per_class=5).train.images
    mean, std = channel_statistics(pixels)
    scaled = pixels.double() / 255
    assert mean == pytest.approx(scaled.mean((0, 2, 3)).tolist())
    assert std == pytest.approx(scaled.std((0, 2, 3), correction=0).tolist())


def test_a_constant_channel_can_be_divided_by() -> None:
    assert channel_statistics(torch.full((2, 1, 4, 4), 51, dtype=torch.uint8)) == (pytest.approx((0.2,)), (1.0,))
