import numpy as np
import torch
from sklearn import datasets
from sklearn.linear_model import LogisticRegression

from greenkd.data import channel_statistics, load_digits, load_generated


def test_digits_are_scikit_learns() -> None:
    dataset = load_digits()
    assert (len(dataset.train), len(dataset.test)) == (1438, 359)
    assert (dataset.in_channels, dataset.image_size, dataset.num_classes) == (1, 8, 10)
    assert dataset.class_names == tuple("0123456789")
    ours = torch.cat([dataset.train.images, dataset.test.images]).view(-1, 64).double() / 255 * 16
    labels = torch.cat([dataset.train.labels, dataset.test.labels])
    bunch = datasets.load_digits()
    rows = np.column_stack([ours.round().numpy(), labels.numpy()])
    theirs = np.column_stack([bunch.data, bunch.target])
    assert sorted(map(tuple, rows.tolist())) == sorted(map(tuple, theirs.tolist()))


def test_the_digits_test_part_is_fixed_and_stratified() -> None:
    dataset = load_digits()
    share = dataset.test.labels.bincount() / (dataset.test.labels.bincount() + dataset.train.labels.bincount())
    assert (share - 0.2).abs().max() < 0.01
    assert dataset.fingerprint == FINGERPRINT
    pictures = {picture.numpy().tobytes() for picture in dataset.train.images}
    assert not any(picture.numpy().tobytes() in pictures for picture in dataset.test.images)


FINGERPRINT = "32bea9745788f284d697cd01e050360db61d6343360fb66a8931b2b5be5b68ff"


def test_generated_images_are_deterministic() -> None:
    first = load_generated(num_classes=4, in_channels=1, image_size=8, train_per_class=3, test_per_class=2)
    assert first.train.labels.bincount().tolist() == [3] * 4
    assert first.test.labels.bincount().tolist() == [2] * 4
    assert first.train.images.shape == (12, 1, 8, 8)
    again = load_generated(num_classes=4, in_channels=1, image_size=8, train_per_class=3, test_per_class=2)
    other = load_generated(num_classes=4, in_channels=1, image_size=8, train_per_class=3, test_per_class=2, seed=1)
    assert first.fingerprint == again.fingerprint == GENERATED_FINGERPRINT
    assert first.fingerprint != other.fingerprint


GENERATED_FINGERPRINT = "0ca5b4440ab18819ff9fb3d0552905d68e34e297a39e35c563415457f8cef012"


def test_generated_classes_can_be_learnt() -> None:
    dataset = load_generated(image_size=8, train_per_class=20)
    model = LogisticRegression(max_iter=200).fit(dataset.train.images.flatten(1) / 255, dataset.train.labels)
    assert model.score(dataset.test.images.flatten(1) / 255, dataset.test.labels) > 0.95


def test_noise_alone_teaches_nothing() -> None:
    dataset = load_generated(image_size=4, in_channels=1, train_per_class=50, test_per_class=50, noise=1.0)
    model = LogisticRegression(max_iter=200).fit(dataset.train.images.flatten(1) / 255, dataset.train.labels)
    assert model.score(dataset.test.images.flatten(1) / 255, dataset.test.labels) < 0.2


def test_the_statistics_in_digits_yaml_are_those_of_the_data(conf_dataset) -> None:
    options = conf_dataset("digits")
    mean, std = channel_statistics(load_digits().train.images)
    assert np.allclose(options["mean"], mean, atol=5e-5)
    assert np.allclose(options["std"], std, atol=5e-5)
