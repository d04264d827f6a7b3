"""On lossless cuts of the public data sets, in the folder that GREENKD_TEST_DATA names."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from greenkd.data import channel_statistics, load, stratified_split
from greenkd.errors import DataError

pytestmark = pytest.mark.real_data


@pytest.mark.parametrize(
    ("name", "folder", "files"),
    [
        ("cifar10", "cifar-10-batches-py", [f"data_batch_{n}" for n in range(1, 6)]),
        ("cifar100", "cifar-100-python", ["train"]),
    ],
)
def test_cifar(real_data: Path, conf_dataset, name: str, folder: str, files: list[str]) -> None:
    options, dataset = load(conf_dataset(name, data_dir=real_data, verify=False))
    key = {"cifar10": b"labels", "cifar100": b"fine_labels"}[name]
    contents = [pickle.loads((real_data / folder / file).read_bytes(), encoding="bytes") for file in files]
    pixels = np.concatenate([content[b"data"] for content in contents]).reshape(-1, 3, 32, 32)
    assert np.array_equal(dataset.train.images.numpy(), pixels)
    assert dataset.train.labels.tolist() == [label for content in contents for label in content[key]]
    assert len(dataset.class_names) == dataset.num_classes == int(name.removeprefix("cifar"))
    mean, std = channel_statistics(dataset.train.images)
    assert mean == pytest.approx(options.mean, abs=0.005)  # the cut's differ a little from the whole set's
    assert std == pytest.approx(options.std, abs=0.005)
    train, validation = stratified_split(dataset.train.labels, options.validation_fraction, options.split_seed)
    assert len(validation) == len(dataset.train) // 10
    assert len(train) + len(validation) == len(dataset.train)


def test_a_cut_has_other_sums_than_the_published(real_data: Path, conf_dataset) -> None:
    with pytest.raises(DataError, match=r"dataset\.verify=false"):
        load(conf_dataset("cifar10", data_dir=real_data))


def test_tiny_imagenet(real_data: Path, conf_dataset) -> None:
    options, dataset = load(conf_dataset("tiny_imagenet", data_dir=real_data))
    folder = real_data / "tiny-imagenet-200"
    wnids = (folder / "wnids.txt").read_text().split()
    assert (len(dataset.train), len(dataset.test), dataset.image_size) == (100 * len(wnids), 20 * len(wnids), 64)
    assert dataset.train.labels.bincount().tolist() == [100] * len(wnids)
    assert dataset.class_names[wnids.index("n01443537")] == "goldfish, Carassius auratus"
    lines = (folder / "val" / "val_annotations.txt").read_text().splitlines()
    for position in (0, 7, len(lines) - 1):
        name, wnid = lines[position].split("\t")[:2]
        picture = np.asarray(Image.open(folder / "val" / "images" / name).convert("RGB"))
        assert np.array_equal(dataset.test.images[position].numpy(), picture.transpose(2, 0, 1))
        assert int(dataset.test.labels[position]) == wnids.index(wnid)
    _, std = channel_statistics(dataset.train.images)
    assert std == pytest.approx(options.std, abs=0.01)
    grey = (dataset.train.images[:, 0] == dataset.train.images[:, 1]).flatten(1).all(1)
    assert 0 < int(grey.sum()) < 100
