"""Each term of the losses, against a value in float64 worked out in NumPy."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from greenkd.errors import ConfigError
from greenkd.synthesis.losses import contrast_loss, likeness, total_variation
from greenkd.synthesis.statistics import BatchNormStatistics
from greenkd.synthesis.teacher_loss import TeacherLoss
from tests.synthesis.setups import setup

Array = NDArray[np.float64]
IMAGES = np.random.default_rng(0).normal(size=(6, 2, 5, 4))


def norms() -> nn.Sequential:
    """Two batch norms in a row, with running statistics of their own."""
    network = nn.Sequential(nn.BatchNorm2d(2, affine=False, eps=0.0), nn.BatchNorm2d(2, affine=False)).double()
    for number, layer in enumerate(network):
        layer.running_mean = torch.tensor([0.1 + number, -0.2], dtype=torch.float64)
        layer.running_var = torch.tensor([0.5, 2.0 + number], dtype=torch.float64)
    return network.eval()


def moments(images: Array) -> tuple[Array, Array]:
    flat = images.transpose(1, 0, 2, 3).reshape(2, -1)
    return flat.sum(1) / flat.shape[1], ((flat - flat.sum(1, keepdims=True) / flat.shape[1]) ** 2).sum(1) / flat.shape[
        1
    ]


def distance(mean: Array, variance: Array, running_mean: Array, running_variance: Array) -> float:
    return float(np.sqrt(((variance - running_variance) ** 2).sum()) + np.sqrt(((mean - running_mean) ** 2).sum()))


def through_the_first(images: Array) -> Array:
    mean, deviation = np.array([0.1, -0.2]), np.sqrt(np.array([0.5, 2.0]))
    result: Array = (images - mean.reshape(1, 2, 1, 1)) / deviation.reshape(1, 2, 1, 1)
    return result


RUNNING = ((np.array([0.1, -0.2]), np.array([0.5, 2.0])), (np.array([1.1, -0.2]), np.array([0.5, 3.0])))


def test_the_distance_from_the_running_statistics() -> None:
    network = norms()
    statistics = BatchNormStatistics(network)
    network(torch.from_numpy(IMAGES))
    inputs = (IMAGES, through_the_first(IMAGES))
    expected = sum(distance(*moments(part), *running) for part, running in zip(inputs, RUNNING, strict=True))
    assert statistics.loss().item() == pytest.approx(expected, rel=1e-12)


def test_earlier_rounds_have_their_share() -> None:
    network = norms()
    statistics = BatchNormStatistics(network, momentum=0.9)
    rounds = [IMAGES, 2 * IMAGES + 1, IMAGES - 3]
    for images in rounds[:2]:
        network(torch.from_numpy(images))
        statistics.end_round()
    network(torch.from_numpy(rounds[2]))

    expected = 0.0
    for layer, running in enumerate(RUNNING):
        each = [moments(through_the_first(images) if layer else images) for images in rounds]
        mixed = []
        for part in range(2):
            earlier = 0.9 * each[0][part] + 0.1 * each[1][part]
            mixed.append(0.9 * earlier + 0.1 * each[2][part])
        expected += distance(mixed[0], mixed[1], *running)
    assert statistics.loss().item() == pytest.approx(expected, rel=1e-12)


def test_features_are_the_channels_means_image_by_image() -> None:
    network = norms()
    statistics = BatchNormStatistics(network)
    network(torch.from_numpy(IMAGES))
    expected = np.concatenate([part.sum((2, 3)) / 20 for part in (IMAGES, through_the_first(IMAGES))], axis=1)
    np.testing.assert_allclose(statistics.features().numpy(), expected, rtol=1e-12)
    assert statistics.feature_size == expected.shape[1]


def test_total_variation() -> None:
    x = IMAGES
    pairs = [
        (x[..., :, 1:], x[..., :, :-1]),
        (x[..., 1:, :], x[..., :-1, :]),
        (x[..., 1:, :-1], x[..., :-1, 1:]),
        (x[..., 1:, 1:], x[..., :-1, :-1]),
    ]
    expected = sum(np.sqrt(((one - other) ** 2).sum()) for one, other in pairs)
    assert total_variation(torch.from_numpy(x)).item() == pytest.approx(expected, rel=1e-12)


def test_contrast() -> None:
    generator = np.random.default_rng(1)
    local, whole = (generator.normal(size=(5, 3)) for _ in range(2))
    local, whole = (part / np.sqrt((part**2).sum(1, keepdims=True)) for part in (local, whole))
    similarities = local @ whole.T / 0.1
    losses = np.log(np.exp(similarities).sum(1)) - np.diag(similarities)

    tensors = torch.from_numpy(local).requires_grad_(), torch.from_numpy(whole).requires_grad_()
    loss = contrast_loss(*tensors, new=2, tau=0.1)
    assert loss.item() == pytest.approx(losses[:2].sum() / 2 + losses[2:].sum() / 3, rel=1e-12)
    assert contrast_loss(*tensors, new=5, tau=0.1).item() == pytest.approx(losses.sum() / 5, rel=1e-12)

    loss.backward()  # type: ignore[no-untyped-call]
    assert tensors[0].grad is not None
    assert tensors[1].grad is None, "the global views are what the local ones are drawn to"


def test_likeness_counts_where_both_see_the_same_class() -> None:
    student, teacher = np.random.default_rng(2).normal(size=(2, 9, 4))

    def shares(logits: Array) -> Array:
        result: Array = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        return result

    p, q = shares(teacher), shares(student)
    divergence = (p * (np.log(p) - np.log(q))).sum(1)
    agree = teacher.argmax(1) == student.argmax(1)
    assert 0 < agree.sum() < 9
    expected = -divergence[agree].sum() / 9
    assert likeness(torch.from_numpy(student), torch.from_numpy(teacher)).item() == pytest.approx(expected, rel=1e-12)


def test_the_teachers_loss_weighs_both() -> None:
    made_from = setup()
    views, targets = torch.randn(7, 1, 8, 8), torch.arange(7)
    loss = TeacherLoss(made_from, bn_weight=3.0, class_weight=0.25)
    both = loss(views, targets).item()
    assert loss.statistics is not None

    logits = made_from.teacher(views).double().numpy()
    classes = np.log(np.exp(logits).sum(1)) - logits[np.arange(7), np.arange(7)]
    expected = 3.0 * loss.statistics.loss().item() + 0.25 * classes.sum() / 7
    assert both == pytest.approx(expected, rel=1e-5)


def test_without_weight_no_batch_norm_is_needed() -> None:
    plain = setup(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))
    assert TeacherLoss(plain, bn_weight=0.0, class_weight=1.0).statistics is None
    with pytest.raises(ConfigError, match="no batch norm"):
        TeacherLoss(plain, bn_weight=1.0, class_weight=1.0)
