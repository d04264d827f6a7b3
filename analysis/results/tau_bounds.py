"""The bounds behind `tau_response`, for many sweeps with the same trainings at once."""

import dataclasses
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.results.moderated import moderated_variance, prior_degrees_of_freedom
from analysis.results.tau_design import Design
from analysis.results.tau_shapes import Shapes

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

LEVEL = 0.045  # chance of the t interval to miss; with the next it makes 5 %
REFUTE_LEVEL = 0.005  # chance to refute the true shape
_OWN_CURVE_LEVEL = 0.1  # at which seeds are taken to have curves of their own
_DRAWS = 10_000
_LARGE_DF = 1e6
_COLLAPSE_SCALES = 8.0  # robust standard deviations below the seed's median and below the same τ in another seed
_SMALLEST_SCALE = 1e-6
_MAD_TO_SD = 1.4826  # of a normal distribution


@dataclasses.dataclass(frozen=True)
class Points:
    """Where the bounds are evaluated."""

    taus: FloatArray
    control: int  # index of the control's τ


@dataclasses.dataclass(frozen=True, kw_only=True)
class Chance:
    """What pure noise does under a design, in units of its estimated variance: sorted draws."""

    explained: FloatArray  # by the best of all shapes
    all_left: FloatArray  # between τ by the best shape
    worst_left: FloatArray  # at the worst τ


@dataclasses.dataclass(frozen=True)
class Fit:
    """What fitting the shapes to some trainings takes, whatever their scores: many sweeps have the same trainings.

    Attributes:
        design: Of the trainings.
        shapes: Every shape at the trainings' τ and, after them, at the points.
    """

    design: Design
    shapes: Shapes

    @cached_property
    def centred(self) -> FloatArray:
        """Every shape without the level that it has in each seed, shape (shapes, trainings)."""
        return np.asarray(self.shapes.values[:, : len(self.design.taus)] @ self.design.within)

    @cached_property
    def square(self) -> FloatArray:
        """Sums of squares of these, shape (shapes,)."""
        return np.asarray(np.maximum((self.centred**2).sum(axis=1), 1e-9))


def bounds(scores: FloatArray, fit: Fit, points: Points, chance: Chance) -> dict[str, FloatArray]:
    """The fields of `TauResponse` for sweeps of one design.

    Args:
        scores: Shape (sweeps, trainings).
        fit: Of these trainings.
        points: Where the bounds are evaluated.
        chance: From `draw_chance`, of all trainings.
    """
    design, values, centred, square = fit.design, fit.shapes, fit.centred, fit.square
    trainings = scores.shape[-1]
    gains = values.values[:, trainings:] - values.values[:, [trainings + points.control]]

    # How large each shape is, how much of the scores it explains, and how sure its size is.
    within = scores @ design.within
    size = within @ centred.T / square
    explained = size**2 * square
    variance, of_training = _noise(within, design)
    error = np.sqrt(np.maximum(variance[:, None] / square, of_training @ (centred**2).T / square**2))
    reach = stats.t.isf(LEVEL, design.pure_df) * error

    # Shapes that chance alone does not put so far behind the best one.
    best = explained.argmax(axis=1)
    most = explained.max(axis=1)
    critical = np.quantile(chance.explained, 1 - REFUTE_LEVEL) * variance
    possible = explained >= (most - critical)[:, None]
    flat_possible = most <= critical

    # Bounds of the largest gain, over the sizes and shapes that are possible.
    rise, fall = gains.max(axis=1), gains.min(axis=1)
    largest, smallest = size + reach, size - reach
    most_gained = np.maximum(largest * rise, smallest * fall)
    least_gained = np.maximum(np.maximum(smallest, 0) * rise, np.minimum(largest, 0) * fall)
    bounding = possible & (values.bounding | ~flat_possible[:, None])
    lower = np.where(flat_possible, 0.0, np.where(possible, least_gained, np.inf).min(axis=1))
    band_low, band_high = _band(largest, smallest, gains, bounding)

    # What the best shape says, and what it leaves over beside the noise between seeds alone.
    pure = design.pure_square(within)
    pure_variance = np.maximum(pure / design.pure_df, np.finfo(np.float64).tiny)
    all_left, worst_left = _left_over(within, pure, design, _best(size, best) * centred[best], most, pure_variance)
    curve = _best(size, best) * gains[best]
    top = curve.argmax(axis=1)
    return {
        "upper": np.where(bounding, most_gained, 0.0).max(axis=1),
        "lower": lower,
        "best_tau": points.taus[top],
        "best_gain": curve.max(axis=1),
        "p_effect": _share_above(chance.explained, most / variance),
        "p_fit": _lack_of_fit(all_left, worst_left, design, chance),
        "curve": curve,
        "band_low": np.where(flat_possible[:, None], np.minimum(band_low, 0), band_low),
        "band_high": np.where(flat_possible[:, None], np.maximum(band_high, 0), band_high),
    }


def no_bounds(sweeps: int, points: Points) -> dict[str, FloatArray]:
    """The same fields, unknown."""
    single = ("upper", "lower", "best_tau", "best_gain", "p_effect", "p_fit")
    fields = {name: np.full(sweeps, np.nan) for name in single}
    return fields | {name: np.full((sweeps, len(points.taus)), np.nan) for name in ("curve", "band_low", "band_high")}


def _best(size: FloatArray, best: NDArray[np.intp]) -> FloatArray:
    return np.take_along_axis(size, best[:, None], axis=1)


def _noise(within: FloatArray, design: Design) -> tuple[FloatArray, FloatArray]:
    """Variance of one training's score: in all, shape (sweeps,), and of each training, shape (sweeps, trainings)."""
    pure = within @ design.pure
    variance = np.maximum((pure**2).sum(axis=1) / design.pure_df, np.finfo(np.float64).tiny)

    # Seeds that follow curves of their own make neighbouring τ err together.
    if design.own_curves_df and design.pure_df > design.own_curves_df:
        of_curves = ((within @ design.own_curves) ** 2).sum(axis=1) / design.own_curves_df
        p_curves = stats.f.sf(of_curves / variance, design.own_curves_df, design.pure_df)
        variance = np.where(p_curves < _OWN_CURVE_LEVEL, np.maximum(of_curves, variance), variance)
    if not design.replicated:
        return variance, np.broadcast_to(variance[:, None], within.shape)

    # Noise that differs between τ.
    df = design.cell_df
    known = df >= df.max() / 2
    if known.sum() < 2:
        return variance, np.broadcast_to(variance[:, None], within.shape)
    at_tau = (pure**2) @ design.cells.T / np.maximum(df, 1e-9)
    worth = np.minimum(prior_degrees_of_freedom(at_tau[:, known], float(df[known].mean())), _LARGE_DF)
    own = np.where(df > 0.5, at_tau, variance[:, None])
    moderated = moderated_variance(own, np.where(df > 0.5, df, 0.0), variance[:, None], worth[:, None])
    return variance, moderated @ design.cells


def _band(
    largest: FloatArray, smallest: FloatArray, gains: FloatArray, possible: BoolArray
) -> tuple[FloatArray, FloatArray]:
    """Least and greatest gain at every point over the possible shapes, one point at a time to save memory."""
    low, high = np.empty((len(largest), gains.shape[1])), np.empty((len(largest), gains.shape[1]))
    for point, gain in enumerate(gains.T):
        one, other = largest * gain, smallest * gain
        low[:, point] = np.where(possible, np.minimum(one, other), np.inf).min(axis=1)
        high[:, point] = np.where(possible, np.maximum(one, other), -np.inf).max(axis=1)
    return low, high


def _left_over(
    within: FloatArray,
    pure: FloatArray,
    design: Design,
    curve: FloatArray,
    explained: FloatArray,
    variance: FloatArray,
) -> tuple[FloatArray, FloatArray]:
    """What a curve leaves over between τ, in units of the noise: the sum of squares, and the worst τ's deviation."""
    between = (within**2).sum(axis=1) - pure
    deviation = design.sums_at_taus(within - curve) / np.sqrt(design.cells.sum(axis=1))
    return (between - explained) / variance, np.abs(deviation).max(axis=1) / np.sqrt(variance)


def _lack_of_fit(all_left: FloatArray, worst_left: FloatArray, design: Design, chance: Chance) -> FloatArray:
    """The p value of a lack of fit: the smaller of the two, times two (Bonferroni)."""
    if not design.replicated:
        return np.ones(len(all_left))

    p_all = _share_above(chance.all_left, all_left)
    p_worst = _share_above(chance.worst_left, worst_left)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(p_all, p_worst)))


def _share_above(draws: FloatArray, values: FloatArray) -> FloatArray:
    """The share of sorted draws that are at least as large as each value, the value itself counted as one draw."""
    above = len(draws) - np.searchsorted(draws, values, side="left")
    return np.asarray((above + 1) / (len(draws) + 1))


def draw_chance(fit: Fit) -> Chance:
    """Fits every shape to noise: the best of many explains more than its one size would, and leaves less over."""
    design = fit.design
    within = np.random.default_rng(0).standard_normal((_DRAWS, len(design.taus))) @ design.within
    directions = fit.centred / np.sqrt(fit.square[:, None])
    pure = design.pure_square(within)
    variance = pure / design.pure_df

    size = within @ directions.T
    best = (size**2).argmax(axis=1)
    most = (size**2).max(axis=1)
    all_left, worst_left = _left_over(within, pure, design, _best(size, best) * directions[best], most, variance)
    return Chance(explained=np.sort(most / variance), all_left=np.sort(all_left), worst_left=np.sort(worst_left))


def collapsed(scores: FloatArray, seeds: NDArray[np.int64], taus: FloatArray) -> BoolArray:
    """Trainings that fell far below the others of their seed, and below one at the same τ in another seed."""
    distance = np.empty_like(scores)
    for seed in np.unique(seeds):
        members = seeds == seed
        distance[:, members] = scores[:, members] - np.median(scores[:, members], axis=1, keepdims=True)
    scale = np.maximum(_MAD_TO_SD * np.median(np.abs(distance), axis=1, keepdims=True), _SMALLEST_SCALE)

    # A fall that all seeds share at one τ is the response, not a collapse.
    alone = distance.copy()
    for tau in np.unique(taus):
        members = taus == tau
        if members.sum() > 1:
            alone[:, members] -= distance[:, members].max(axis=1, keepdims=True)
    return np.asarray((distance < -_COLLAPSE_SCALES * scale) & (alone < -_COLLAPSE_SCALES * scale))
