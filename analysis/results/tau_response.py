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
over is tested against pure error (Draper and Smith 1998, "Applied regression analysis", section 2.1), in all and at the
worst τ, with the distribution that the best of all shapes gives on pure noise. If that fails, nothing is said about the
curve and the verdict rests on `search_gain` alone.
"""

import dataclasses
import functools

import numpy as np
from numpy.typing import NDArray

from analysis.results.tau_bounds import Chance, Fit, Points, bounds, collapsed, draw_chance, no_bounds
from analysis.results.tau_design import FEWEST_DF, design_of
from analysis.results.tau_shapes import Shapes, shapes

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CONTROL_TAU = 4.0
LACK_OF_FIT_LEVEL = 0.05  # of calling a smooth response rough
_POINTS = 60


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

    def sentence(self, margin: float, unit: str = "points", digits: int = 2) -> str:
        """What the trainings of one setting say, without a full stop.

        Args:
            margin: A gain that is shown is named where gains above this are not excluded.
            unit: What the score is in.
            digits: Digits after the point.
        """
        upper, lower, left_out = float(self.upper), float(self.lower), int(self.left_out)
        if np.isnan(upper):
            return "more trainings are needed before anything can be said about the response to τ"
        if not self.fits:
            return f"the response to τ is not smooth (p = {float(self.p_fit):.2g}): no bound for all τ at once"

        kept = f", apart from {left_out} of {self.trainings} trainings that collapsed" if left_out else ""
        if upper > margin and lower > 0:
            gain = f"gains {float(self.best_gain):.{digits}f} {unit} over τ={CONTROL_TAU:g}"
            return f"τ ≈ {float(self.best_tau):.2g} {gain} (95 %: {lower:.{digits}f} to {upper:.{digits}f}){kept}"
        shown = "" if upper <= margin else ", and none is shown to gain anything"
        across = f"no τ in {self.low:g}…{self.high:g}"
        return f"{across} gains more than {upper:.{digits}f} {unit} over τ={CONTROL_TAU:g} (95 %){shown}{kept}"


def tau_response(
    scores: FloatArray, seeds: NDArray[np.int64], taus: FloatArray, *, control: float = CONTROL_TAU
) -> TauResponse:
    """Bounds the gain of every τ over the control, from trainings at any τ and seeds.

    Args:
        scores: Test score of each training, higher is better (negate a loss), shape (…, trainings).
        seeds: Seed of each training, shape (trainings,).
        taus: τ of each training, shape (trainings,).
        control: The τ that the others are held against; the curve is read there, so it need not have been trained.

    Raises:
        ValueError: The control lies outside the range that was trained.
    """
    low, high = float(taus.min()), float(taus.max())
    if not low <= control <= high:
        raise ValueError(f"τ={control:g} lies outside the trained range {low:g}…{high:g}: nothing to hold it against")

    points = np.unique(np.append(np.geomspace(low, high, _POINTS), control))
    batch = scores.reshape(-1, scores.shape[-1])
    kept = ~collapsed(batch, seeds, taus)
    fields = _all_bounds(batch, kept, seeds, taus, Points(taus=points, control=int(np.searchsorted(points, control))))

    shape = scores.shape[:-1]
    return TauResponse(
        low=low,
        high=high,
        trainings=len(taus),
        left_out=np.asarray((~kept).sum(axis=1)).reshape(shape),
        points=points,
        **{name: array.reshape((*shape, *array.shape[1:])) for name, array in fields.items()},
    )


@functools.lru_cache(maxsize=4)
def _of_trainings(
    seeds: tuple[int, ...], taus: tuple[float, ...], points: tuple[float, ...]
) -> tuple[Fit, Chance] | None:
    """Returns what is the same for all measures and settings with the same seeds and τ; None: too few of them.

    It takes seconds where the trainings are hundreds, and depends on no score.
    """
    design = design_of(np.array(seeds, dtype=np.int64), np.array(taus))
    if design.pure_df < FEWEST_DF:
        return None
    fit = Fit(design, shapes(np.array([*taus, *points]), min(taus), max(taus)))
    return fit, draw_chance(fit)


def _all_bounds(
    batch: FloatArray, kept: BoolArray, seeds: NDArray[np.int64], taus: FloatArray, points: Points
) -> dict[str, FloatArray]:
    """Bounds of every sweep: at once for those that lost no training, one by one for the others."""
    known = _of_trainings(tuple(seeds.tolist()), tuple(taus.tolist()), tuple(points.taus.tolist()))
    if known is None:
        return no_bounds(len(batch), points)

    fit, chance = known
    values = fit.shapes
    fields = no_bounds(len(batch), points)

    complete = np.flatnonzero(kept.all(axis=1))
    groups = [(complete, fit)] if len(complete) else []
    for row in np.flatnonzero(~kept.all(axis=1)):
        mask = kept[row]
        fewer = Shapes(values.values[:, np.append(mask, np.ones(len(points.taus), dtype=bool))], values.bounding)
        groups.append((np.array([row]), Fit(design_of(seeds[mask], taus[mask]), fewer)))

    for rows, of_rows in groups:
        mask = kept[rows[0]]
        found = bounds(batch[np.ix_(rows, np.flatnonzero(mask))], of_rows, points, chance)
        for name, array in found.items():
            fields[name][rows] = array
    return fields
