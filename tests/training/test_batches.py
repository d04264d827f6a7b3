import torch

from greenkd.data import Augmentation, Images, normalise
from greenkd.tasks import CLASSIFICATION
from greenkd.training.batches import BatchLoader

IMAGES = Images(torch.randint(0, 256, (70, 1, 6, 6), dtype=torch.uint8), torch.arange(70) % 5)


def loader(seed: int = 0, batch_size: int = 32, images: Images = IMAGES) -> BatchLoader:
    augmentation = Augmentation(crop_padding=1, flip=True)
    return BatchLoader(CLASSIFICATION, images, augmentation, (0.5,), (0.25,), batch_size, seed, torch.device("cpu"))


def test_an_epoch_shows_every_sample_once_with_its_own_label() -> None:
    source = loader()
    plan = source.plan(0)
    batches = [source.batch(plan, step) for step in range(source.steps)]
    indices = torch.cat([batch.indices for batch in batches])
    assert sorted(indices.tolist()) == list(range(70))
    assert torch.equal(torch.cat([batch.labels for batch in batches]), IMAGES.labels[indices])
    assert [len(batch.labels) for batch in batches] == [32, 32, 6]


def test_a_single_left_over_sample_is_dropped() -> None:
    source = loader(batch_size=23)
    assert (source.steps, source.samples) == (3, 69)
    assert source.rows(2) == slice(46, 69)


def test_batches_are_a_function_of_seed_and_epoch() -> None:
    first, second = loader().plan(3), loader().plan(3)
    assert torch.equal(loader().batch(first, 1).images, loader().batch(second, 1).images)
    assert not torch.equal(loader().plan(3).order, loader().plan(4).order)
    assert not torch.equal(loader(seed=1).plan(3).order, first.order)


def test_a_samples_view_does_not_depend_on_its_place_in_the_order() -> None:
    small, large = loader(batch_size=10), loader(batch_size=35)
    plan = small.plan(2)
    in_small = torch.cat([small.batch(plan, step).images for step in range(7)])
    in_large = torch.cat([large.batch(plan, step).images for step in range(2)])
    assert torch.equal(in_small, in_large)


def test_without_augmentation_the_image_is_the_normalised_original() -> None:
    source = BatchLoader(CLASSIFICATION, IMAGES, Augmentation(), (0.5,), (0.25,), 16, 0, torch.device("cpu"))
    batch = source.batch(source.plan(0), 0)
    assert torch.equal(batch.images, normalise(IMAGES.images[batch.indices], (0.5,), (0.25,)))
