"""Given weights that were trained on the validation images are named by the gap between two accuracies."""

from pathlib import Path

import pytest
import torch
from scipy.stats import fisher_exact
from torch.nn import functional as F

from greenkd import models
from greenkd.data import load
from greenkd.data.normalisation import normalise
from greenkd.teacher.seen_validation import chance_of_gap, seen_validation
from tests.campaigns import Campaign, composed
from tests.outside.weight_files import safetensors_file


@pytest.mark.parametrize(
    ("val_hits", "val_images", "test_hits", "test_images"),
    [
        (40, 40, 10, 40),
        (3620, 5000, 7210, 10000),
        (0, 30, 0, 50),
        (30, 30, 50, 50),
        (10, 40, 40, 40),
        (287, 287, 341, 359),
    ],
)
def test_chance_is_that_of_fishers_exact_test(val_hits: int, val_images: int, test_hits: int, test_images: int) -> None:
    table = [[val_hits, val_images - val_hits], [test_hits, test_images - test_hits]]
    expected = fisher_exact(table, alternative="greater").pvalue
    assert chance_of_gap(val_hits, val_images, test_hits, test_images) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("val_score", "test_score", "seen"),
    [
        (0.999, 0.723, True),  # a resnet56 of CIFAR-100 from the field, trained on all 50,000 images
        (0.7234, 0.7234, False),
        (0.735, 0.723, False),  # 1.2 points are what chance makes of 5,000 images
        (0.755, 0.723, True),
        (0.60, 0.72, False),  # a gap the other way is no sign of it
        (1.0, 1.0, False),
    ],
)
def test_cifars_splits(val_score: float, test_score: float, seen: bool) -> None:
    said = seen_validation(val_score, 5000, test_score, 10_000)
    assert (said is not None) == seen
    if said is not None:
        assert f"{100 * val_score:.1f} % of 5,000 validation images" in said


# Pictures of nothing but noise: what is right about them was learned by heart.
NOISE = (
    *("dataset=generated", "dataset.num_classes=4", "dataset.image_size=8", "dataset.in_channels=1"),
    *("dataset.noise=1.0", "dataset.train_per_class=50", "dataset.augmentation.crop_padding=0"),
    *("temperature=fixed", "training.epochs=1", "teacher.width=32"),
)


@pytest.fixture(scope="module")
def learned_by_heart(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights that know every training image, those that validate included."""
    options, dataset = load(composed(*NOISE)["dataset"])
    images = normalise(dataset.train.images, options.mean, options.std)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = models.small_cnn(num_classes=4, in_channels=1, image_size=8)

    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(150):
        loss = F.cross_entropy(network(images), dataset.train.labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return safetensors_file(tmp_path_factory.mktemp("heart") / "all.safetensors", network.state_dict())


def test_a_campaign_says_so(learned_by_heart: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    campaign = Campaign(tmp_path, *NOISE, f"teacher.weights={learned_by_heart}")
    assert campaign.record.teacher_result is not None
    assert campaign.record.teacher_result.val_score > 0.9
    (warning,) = (record for record in caplog.records if "trained on images that validate here" in record.message)
    assert warning.levelname == "WARNING"
    assert "teacher.weights: " in warning.message


def test_a_teacher_trained_here_is_not_suspected(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    Campaign(tmp_path, *NOISE)
    assert "validate here" not in caplog.text
