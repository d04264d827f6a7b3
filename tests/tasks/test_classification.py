"""What classification asks of a network, how it is split, and its scores against NumPy."""

import numpy as np
import pytest
import torch
from torch import nn

from greenkd.data import Images
from greenkd.tasks import CLASSIFICATION
from greenkd.tasks.classification import EVALUATION_BATCH
from greenkd.training.recipe import Recipe

RECIPE = Recipe(epochs=1, batch_size=8, lr=0.1, precision="fp32")
CLASSES = 3


class Linear(nn.Module):
    """Logits of the mean pixel, so that the test can work them out."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        mean = images.mean(dim=(1, 2, 3))
        return torch.stack([mean, 1 - mean, 0.4 * torch.ones_like(mean)], dim=1)


@pytest.fixture
def images() -> Images:
    generator = torch.Generator().manual_seed(3)
    count = EVALUATION_BATCH + 7  # a second, smaller batch
    pixels = torch.randint(0, 256, (count, 1, 4, 4), generator=generator, dtype=torch.uint8)
    return Images(pixels, torch.randint(0, CLASSES, (count,), generator=generator))


def test_scores_are_those_of_numpy(images: Images) -> None:
    mean, std = (0.2,), (0.5,)
    evaluator = CLASSIFICATION.evaluator(images, mean, std, torch.device("cpu"))
    network = Linear().train()
    score = evaluator(network, RECIPE)

    pixels = (images.images.numpy().astype(np.float64) / 255 - 0.2) / 0.5
    average = pixels.mean(axis=(1, 2, 3))
    logits = np.stack([average, 1 - average, np.full_like(average, 0.4)], axis=1)
    labels = images.labels.numpy()
    log_likelihood = logits[np.arange(len(labels)), labels] - np.log(np.exp(logits).sum(axis=1))
    assert len(evaluator) == len(labels)
    assert score.value == (logits.argmax(axis=1) == labels).mean()
    assert score.loss == pytest.approx(-log_likelihood.mean(), rel=1e-6)
    assert not network.training, "an evaluation leaves the network in evaluation mode"


def test_hits_are_counted_per_batch() -> None:
    outputs = torch.tensor([[1.0, 2.0, 0.0], [3.0, 0.0, 0.0], [0.0, 0.0, 1.0]])
    assert CLASSIFICATION.count_hits(outputs, torch.tensor([1, 1, 2])).item() == 2


def test_the_split_takes_the_same_share_of_every_class(images: Images) -> None:
    train, validation = CLASSIFICATION.split(images, 0.25, 0)
    assert sorted(torch.cat([train, validation]).tolist()) == list(range(len(images)))
    for label in range(CLASSES):
        count = int((images.labels == label).sum())
        assert abs(int((images.labels[validation] == label).sum()) - count * 0.25) <= 0.5


def test_the_metric_is_a_fraction_shown_in_per_cent() -> None:
    metric = CLASSIFICATION.metric
    assert (metric.name, metric.unit, metric.scale, metric.larger_is_better) == ("accuracy", "%", 100.0, True)
