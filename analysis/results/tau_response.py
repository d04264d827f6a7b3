"""How the test score responds to τ: the most that any τ can gain over τ = 4, from every training of a setting.

The trainings of a grid differ in τ only, so all of them inform one curve: score = level of the seed + size × shape(τ) +
noise. The shape is unknown. `tau_shapes` lists what it may be; a shape that fits worse than the best one by more than
chance allows is refuted, and each of the others bounds the gain by the t interval of its size. The largest of these
bounds holds, whichever shape is true: maximising over a confidence set for what is unknown (Berger and Boos 1994,
"P values maximized over a confidence set for the nuisance parameter", JASA 89) is wrong with the chance of the t
interval plus that of refuting the true shape, 5 % together. The bound holds for all τ of the range at once.

Polynomials in log τ with Scheffé's or a max-t band were tried first. A quadratic called a smooth peak of 0.5 points
less than 0.5 in 72 % of sweeps; a cubic excluded 0.5 points in 52 % of flat sweeps only.

The noise is measured between seeds at the same τ (pure error), so no shape can hide in it. Its variance may differ
between τ (moderated, Smyth 2004), and trainings of one seed may follow a curve of their own. What the best shape leaves
over is tested against pure error (Draper and Smith 1998, "Applied regression analysis", section 2.1). If that fails,
nothing is said about the curve and the verdict rests on `search_gain` alone.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.results.moderated import moderated_variance, prior_degrees_of_freedom
from analysis.results.tau_design import FEWEST_DF, Design, design_of
from analysis.results.tau_shapes import Shapes, shapes

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CONTROL_TAU = 4.0
LEVEL = 0.045  # chance of the t interval to miss; with the next it makes 5 %
REFUTE_LEVEL = 0.005  # chance to refute the true shape
LACK_OF_FIT_LEVEL = 0.05  # half for what is left over in all, half for the largest deviation of one τ
_OWN_CURVE_LEVEL = 0.1  # at which seeds are taken to have curves of their own
_SHAPE_PARAMETERS = 4  # that the best shape was chosen by: kind, place, width and size
_DRAWS = 20_000
_POINTS = 60
_LARGE_DF = 1e6
_COLLAPSE_SCALES = 8.0  # robust standard deviations below the seed's median and below the same τ in another seed
_SMALLEST_SCALE = 1e-6
_MAD_TO_SD = 1.4826  # of a normal distribution


@dataclasses.dataclass(frozen=True, kw_only=True)
class TauResponse:
    """What the trainings say about gain(τ) − gain(4), in the score's unit. Arrays have one entry per sweep."""

    low: float  # the range of τ
    high: float
    trainings: int
    left_out: NDArray[np.int64]  # trainings that collapsed; the bounds are for those that do not
    upper: FloatArray  # no τ gains more (95 %)
    lower: FloatArray  # some τ gains at least this much (95 %); zero where no τ is shown to gain anything
    best_tau: FloatArray  # where the best shape has its top
    best_gain: FloatArray  # of that shape there
    p_effect: FloatArray  # of no effect of τ at all
    p_fit: FloatArray  # of the lack of fit; small where the response is not smooth
    points: FloatArray  # (points,): τ at which curve and band are given
    curve: FloatArray  # (…, points): the best shape
    band_low: FloatArray  # (…, points): band around the gain at every τ
    band_high: FloatArray

    @property
    def fits(self) -> BoolArray:
        """Whether the shapes describe the data, so that the bounds may be used."""
        return np.asarray(self.p_fit > LACK_OF_FIT_LEVEL)

    def sentence(self, margin: float, unit: str = "points") -> str:
        """What the trainings of one setting say, without a full stop."""
        upper, lower, left_out = float(self.upper), float(self.lower), int(self.left_out)
        if np.isnan(upper):
            return "more trainings are needed before anything can be said about the response to τ"
        if not self.fits:
            return f"the response to τ is not smooth (p = {float(self.p_fit):.2g}): no bound for all τ at once"

        kept = f", apart from {left_out} of {self.trainings} trainings that collapsed" if left_out else ""
        if upper > margin and lower > 0:
            gain = f"gains {float(self.best_gain):.2f} {unit} over τ={CONTROL_TAU:g}"
            return f"τ ≈ {float(self.best_tau):.2g} {gain} (95 %: {lower:.2f} to {upper:.2f}){kept}"
        shown = "" if upper <= margin else ", and none is shown to gain anything"
        across = f"no τ in {self.low:g}…{self.high:g}"
        return f"{across} gains more than {upper:.2f} {unit} over τ={CONTROL_TAU:g} (95 %){shown}{kept}"


def tau_response(
    scores: FloatArray, seeds: NDArray[np.int64], taus: FloatArray, *, control: float = CONTROL_TAU
) -> TauResponse:
    """Bounds the gain of every τ over the control, from trainings at any τ and seeds.

    Args:
        scores: Test score of each training, higher is better (negate a loss), shape (…, trainings).
        seeds: Seed of each training, shape (trainings,).
        taus: τ of each training, shape (trainings,).
        control: The τ that the others are held against; it has to lie within the range that was trained.
    """
    batch = scores.reshape(-1, scores.shape[-1])
    low, high = float(taus.min()), float(taus.max())
    points = np.unique(np.append(np.geomspace(low, high, _POINTS), control))
    values = shapes(np.concatenate([taus, points]), low, high)
    grid = _Grid(points=points, control=int(np.searchsorted(points, control)))
    everything = design_of(seeds, taus)
    if everything.pure_df < FEWEST_DF:
        nothing = np.full(scores.shape[:-1], np.nan)
        band = np.full((*scores.shape[:-1], len(points)), np.nan)
        return TauResponse(
            low=low, high=high, trainings=len(taus), left_out=np.zeros(scores.shape[:-1], dtype=np.int64),
            upper=nothing, lower=nothing, best_tau=nothing, best_gain=nothing, p_effect=nothing, p_fit=nothing,
            points=points, curve=band, band_low=band, band_high=band,
        )  # fmt: skip

    # Sweeps that lost no training share one design; every other sweep has its own.
    chance = _largest_by_chance(everything, values)
    kept = ~_collapsed(batch, seeds, taus)
    parts: dict[int, dict[str, FloatArray]] = {}
    complete = np.flatnonzero(kept.all(axis=1))
    if len(complete):
        together = _bounds(batch[complete], everything, values, grid, chance)
        parts |= {
            row: {name: array[at] for name, array in together.items()} for at, row in enumerate(complete.tolist())
        }
    for row in np.flatnonzero(~kept.all(axis=1)).tolist():
        mask = kept[row]
        fewer = Shapes(values.values[:, np.append(mask, np.ones(len(points), dtype=bool))], values.bounding)
        alone = _bounds(batch[row : row + 1, mask], design_of(seeds[mask], taus[mask]), fewer, grid, chance)
        parts[row] = {name: array[0] for name, array in alone.items()}

    fields = {name: np.stack([parts[row][name] for row in range(len(batch))]) for name in parts[0]}
    return TauResponse(
        low=low,
        high=high,
        trainings=len(taus),
        left_out=(~kept).sum(axis=1).reshape(scores.shape[:-1]),
        points=points,
        **{name: array.reshape(*scores.shape[:-1], *array.shape[1:]) for name, array in fields.items()},
    )


@dataclasses.dataclass(frozen=True)
class _Grid:
    """Where the bounds are evaluated."""

    points: FloatArray
    control: int  # index of the control's τ


def _bounds(
    scores: FloatArray, design: Design, values: Shapes, grid: _Grid, chance: FloatArray
) -> dict[str, FloatArray]:
    """The fields of `TauResponse` for sweeps of one design."""
    trainings = scores.shape[-1]
    centred = values.values[:, :trainings] @ design.within
    gains = values.values[:, trainings:] - values.values[:, [trainings + grid.control]]
    square = np.maximum((centred**2).sum(axis=1), 1e-9)

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
    critical = np.quantile(chance, 1 - REFUTE_LEVEL) * variance
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

    curve = np.take_along_axis(size, best[:, None], axis=1) * gains[best]
    top = curve.argmax(axis=1)
    return {
        "upper": np.where(bounding, most_gained, 0.0).max(axis=1),
        "lower": lower,
        "best_tau": grid.points[top],
        "best_gain": curve.max(axis=1),
        "p_effect": (chance >= (most / variance)[:, None]).mean(axis=1),
        "p_fit": _lack_of_fit(within, design, curve_at_trainings=_best(size, best) * centred[best], explained=most),
        "curve": curve,
        "band_low": np.where(flat_possible[:, None], np.minimum(band_low, 0), band_low),
        "band_high": np.where(flat_possible[:, None], np.maximum(band_high, 0), band_high),
    }


def _best(size: FloatArray, best: NDArray[np.intp]) -> FloatArray:
    return np.take_along_axis(size, best[:, None], axis=1)


def _noise(within: FloatArray, design: Design) -> tuple[FloatArray, FloatArray]:
    """Variance of one training's score: in all, shape (sweeps,), and of each training, shape (sweeps, trainings)."""
    pure = within @ design.pure
    variance = (pure**2).sum(axis=1) / design.pure_df

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


def _lack_of_fit(
    within: FloatArray, design: Design, *, curve_at_trainings: FloatArray, explained: FloatArray
) -> FloatArray:
    """The p value of what the best shape leaves over between τ: in all (F), and at the worst τ (t, Bonferroni)."""
    if not design.replicated:
        return np.ones(len(within))

    pure = within @ design.pure
    pure_square = (pure**2).sum(axis=1)
    between_df = len(design.cells) - 1 - _SHAPE_PARAMETERS
    if between_df < 1:
        return np.ones(len(within))
    left = (within**2).sum(axis=1) - pure_square - explained
    p_all = stats.f.sf(left / between_df / (pure_square / design.pure_df), between_df, design.pure_df)

    count = design.cells.sum(axis=1)
    deviation = (within - curve_at_trainings) @ design.cells.T / count
    scale = np.sqrt(pure_square[:, None] / design.pure_df / count * (between_df / len(design.cells)))
    p_worst = 2 * len(count) * stats.t.sf(np.abs(deviation / scale).max(axis=1), design.pure_df)
    return np.asarray(np.minimum(1.0, 2 * np.minimum(p_all, p_worst)))


def _largest_by_chance(design: Design, values: Shapes) -> FloatArray:
    """Draws of what the best of all shapes explains of pure noise, in units of the noise's estimated variance."""
    generator = np.random.default_rng(0)
    centred = values.values[:, : len(design.taus)] @ design.within
    directions = centred / np.sqrt(np.maximum((centred**2).sum(axis=1, keepdims=True), 1e-9))

    noise = generator.standard_normal((_DRAWS, len(design.taus)))
    variance = generator.chisquare(design.pure_df, _DRAWS) / design.pure_df
    return np.asarray(((noise @ directions.T) ** 2).max(axis=1) / variance)


def _collapsed(scores: FloatArray, seeds: NDArray[np.int64], taus: FloatArray) -> BoolArray:
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
