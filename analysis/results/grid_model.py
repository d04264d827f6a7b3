"""What the trainings of a search look like together: a level per seed, a curve over log τ, and what is left over.

The model serves two ends. It predicts the test score of a trial from its τ and its validation score, which keeps the
bagged choice of `search_gain` unbiased. And its residuals measure the noise of one training. It is not trusted to say
what the chosen trial gets: the test scores themselves do that.

All arrays have the shape (…, seeds, trials); the leading axes hold independent sweeps, so that the benchmark judges
thousands of sweeps with the same code that judges one.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CURVE_DEGREE = 3
COLLAPSE_SCALES = 8.0  # robust standard deviations below the seed's median at which a training counts as collapsed
_SMALLEST_SCALE = 0.05  # points: scores that agree to the last digit have no scale of their own
_FILLING_STEPS = 6
_MAD_TO_SD = 1.4826  # of a normal distribution


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdditiveFit:
    """Seed level + curve over log τ + residual, of one score."""

    level: FloatArray  # (…, seeds, 1)
    curve: FloatArray  # (…, seeds, trials); the same in every seed where the τ are the same
    residual: FloatArray  # (…, seeds, trials); zero for a trial that was left out
    noise: FloatArray  # residual free of everything that the seeds have in common, scaled to the noise's variance


def curve_basis(taus: FloatArray | None, shape: tuple[int, int]) -> FloatArray:
    """Powers of log τ up to the third, centred in each seed; shape (seeds, trials, 3). Without τ there is no curve.

    Args:
        taus: τ of each trial, shape (seeds, trials); None where trials are not told apart by one τ.
        shape: Seeds and trials.
    """
    if taus is None:
        return np.zeros((*shape, 0))

    logs = np.log(taus)
    scaled = 2 * (logs - logs.mean()) / max(float(np.ptp(logs)), np.finfo(np.float64).tiny)
    degree = max(0, min(CURVE_DEGREE, len(np.unique(logs)) - 2))
    powers = np.stack([scaled**power for power in range(degree + 1)], axis=-1)[..., 1:]
    return np.asarray(powers - powers.mean(axis=1, keepdims=True))


def not_collapsed(scores: FloatArray) -> BoolArray:
    """Which trials are there and have not fallen far below the others of their seed.

    Args:
        scores: In points, NaN for a missing trial.
    """
    distance = scores - np.nanmedian(scores, axis=-1, keepdims=True)
    scale = _MAD_TO_SD * np.nanmedian(np.abs(distance), axis=(-2, -1), keepdims=True)
    with np.errstate(invalid="ignore"):
        return np.asarray(distance > -COLLAPSE_SCALES * np.maximum(scale, _SMALLEST_SCALE))


def additive_fit(scores: FloatArray, kept: BoolArray, basis: FloatArray, *, replicated: bool) -> AdditiveFit:
    """Least squares of the scores on seeds and curve, trials that are not kept being filled in by the fit itself.

    Filling and fitting in turn converges to the least squares fit of the kept trials (Yates 1933; it is the EM
    algorithm for missing values). Where every seed has the same τ, what the seeds agree on beyond the smooth curve is
    added to the curve as far as it exceeds their noise (a James–Stein factor, 1 − noise / signal), so that a spike in
    the response is not smoothed away.

    Args:
        scores: Shape (…, seeds, trials).
        kept: The trials to use, of the same shape.
        basis: From `curve_basis`.
        replicated: Every seed has the same τ in the same order.
    """
    seeds, trials = scores.shape[-2:]
    flat = basis.reshape(seeds * trials, -1)
    projection = np.linalg.pinv(flat)

    # The smooth curve.
    filled = np.where(kept, scores, 0.0)
    level = filled.sum(axis=-1, keepdims=True) / np.maximum(kept.sum(axis=-1, keepdims=True), 1)
    filled = np.where(kept, scores, level)
    for _ in range(1 if kept.all() else _FILLING_STEPS):
        level = filled.mean(axis=-1, keepdims=True)
        centred = (filled - level).reshape(*filled.shape[:-2], seeds * trials)
        curve = (centred @ projection.T @ flat.T).reshape(filled.shape)
        filled = np.where(kept, scores, level + curve)

    residual = np.where(kept, filled - level - curve, 0.0)
    count = kept.sum(axis=(-2, -1), keepdims=True)
    if not replicated or seeds < 2:
        df = np.maximum(count - seeds - flat.shape[1], 1)
        return AdditiveFit(level=level, curve=curve, residual=residual, noise=residual * np.sqrt(seeds * trials / df))

    # What all seeds share beyond the smooth curve, shrunk.
    shared = residual.mean(axis=-2, keepdims=True)
    own = np.where(kept, residual - shared, 0.0)
    df = np.maximum(count - seeds - trials + 1, 1)
    noise_square = (own**2).sum(axis=(-2, -1), keepdims=True) / df
    shared_square = seeds * (shared**2).sum(axis=-1, keepdims=True) / max(trials - 1 - flat.shape[1], 1)
    factor = np.clip(1 - noise_square / np.maximum(shared_square, np.finfo(np.float64).tiny), 0.0, 1.0)

    return AdditiveFit(
        level=level,
        curve=curve + factor * shared,
        residual=np.where(kept, residual - factor * shared, 0.0),
        noise=own * np.sqrt(seeds * trials / df),
    )
