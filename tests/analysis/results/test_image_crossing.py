"""Intervals over seeds and images: by the covariances of the seeds, and covering where a truth is planted."""

from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import analysis
from analysis.results.image_crossing import crossed_interval
from analysis.results.search_gain import paired_gain
from greenkd.records import StrategyKind, append_row
from greenkd.records.correctness import FILE, correctness_row
from tests.analysis.plans import Plan, Trial
from tests.analysis.sweeps import write_campaign


def test_the_images_add_the_mean_covariance_of_two_seeds() -> None:
    # Image by image, two seeds agree in what belongs to the image: their covariance is its component of variance.
    random = np.random.default_rng(0)
    on_images = random.normal(0, 40, (4, 300)) + random.normal(0, 20, 300) + random.normal(0, 1, (4, 1))
    gain = paired_gain(on_images.mean(axis=1), np.asarray(0.0), 0.0)
    found = crossed_interval(gain, on_images, (0.025, 0.025))
    assert found is not None

    covariances = np.cov(on_images)
    of_images = covariances[~np.eye(4, dtype=bool)].mean() / 300
    of_seeds = on_images.mean(axis=1).var(ddof=1) / 4
    assert found.standard_error**2 == pytest.approx(of_seeds + of_images)
    assert found.high - float(gain.value) == pytest.approx(stats.t.isf(0.025, found.df) * found.standard_error)


def test_it_covers_the_gain_of_other_images_where_the_interval_over_seeds_does_not() -> None:
    random = np.random.default_rng(1)
    covered = {"seeds": 0, "both": 0}
    for _ in range(400):
        on_images = 1.0 + random.normal(0, 30, (5, 200)) + random.normal(0, 20, 200) + random.normal(0, 0.3, (5, 1))
        gain = paired_gain(on_images.mean(axis=1), np.asarray(0.0), 0.0)
        crossed = crossed_interval(gain, on_images, (0.025, 0.025))
        assert crossed is not None
        low, high = gain.interval(0.025)
        covered["seeds"] += bool(low <= 1.0 <= high)
        covered["both"] += crossed.low <= 1.0 <= crossed.high
    # 95 % of 400 are 380 ± 4.4.
    assert covered["both"] > 365
    assert covered["seeds"] < 340


def test_one_seed_and_equal_seeds_have_no_interval() -> None:
    one = paired_gain(np.array([1.0]), np.asarray(1.0))
    assert crossed_interval(one, np.zeros((1, 10)), (0.025, 0.025)) is None
    equal = paired_gain(np.array([1.0, 1.0]), np.asarray(0.0), 0.0)
    assert crossed_interval(equal, np.ones((2, 10)), (0.025, 0.025)) is None


@pytest.fixture
def sweep(tmp_path: Path) -> tuple[Path, np.ndarray]:
    """A grid whose second trial is chosen for sure, and stochastic τ; with the images that each got right."""
    random = np.random.default_rng(2)
    bits = random.random((3, 3, 400)) < np.array([0.70, 0.80, 0.75])[:, None]  # seed, training, image
    for seed, (first, chosen, one) in enumerate(bits):
        trials = [
            Trial(tau=4.0, val_score=0.5, test_score=float(first.mean())),
            Trial(tau=8.0, val_score=0.9, test_score=float(chosen.mean())),
        ]
        alone = [Trial(tau=None, val_score=0.7, test_score=float(one.mean()))]
        plans = [
            (Plan(strategy="grid", kind=StrategyKind.GRID, seed=seed, trials=trials), (first, chosen)),
            (Plan(strategy="stochastic", kind=StrategyKind.STOCHASTIC, seed=seed, trials=alone), (one,)),
        ]
        for plan, right in plans:
            folder = write_campaign(tmp_path, plan)
            for trial, images in enumerate(right):
                append_row(folder / FILE, correctness_row(trial, images))
    return tmp_path, bits


def test_the_bits_on_record_are_crossed(sweep: tuple[Path, np.ndarray]) -> None:
    root, bits = sweep
    primary, *others = analysis.verdicts(analysis.compare(analysis.load(root)))
    assert primary.crossed is not None
    assert primary.crossed.images == 400

    difference = 100 * (bits[:, 1].astype(float) - bits[:, 2])
    expected = crossed_interval(primary.gain, difference, primary.levels)
    assert expected is not None
    assert primary.crossed.low == pytest.approx(expected.low)
    assert primary.crossed.high == pytest.approx(expected.high)
    assert primary.crossed.high - primary.crossed.low >= primary.high - primary.low

    said = f"; {primary.crossed.low:+.2f} to {primary.crossed.high:+.2f} with other test images too".replace("-", "−")
    assert said in primary.sentence
    assert all(verdict.crossed for verdict in others)  # in the table, not in their sentences
    assert not any("other test images" in verdict.sentence for verdict in others)


def test_without_bits_nothing_is_crossed(sweep: tuple[Path, np.ndarray]) -> None:
    root, _ = sweep
    next(root.rglob("stochastic/*/tests.jsonl")).unlink()
    primary, *_ = analysis.verdicts(analysis.compare(analysis.load(root)))
    assert primary.crossed is None
    assert "other test images" not in primary.sentence
