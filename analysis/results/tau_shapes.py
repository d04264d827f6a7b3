"""The shapes that a response to τ is taken to have: a flat one, or one of these, times an unknown size.

They are one bump or hollow, one step, a parabola, or a monotone line in log τ, τ or 1/τ. All are wide on the scale of
log τ: a bump's standard deviation is 0.3 at least, about a third of its τ, and its top lies within the range that was
trained. A response that rises and falls within one step of τ is none of them; the test of `tau_response` for a lack
of fit is there to notice it.
"""

import dataclasses

import numpy as np
from numpy.typing import NDArray
from scipy import special

FloatArray = NDArray[np.float64]

NARROWEST = 0.3  # standard deviation of a bump in log τ
_WIDTHS = (NARROWEST, 0.38, 0.48, 0.6, 0.75, 1.0, 1.4)
_LOPSIDED = ((0.3, 0.75), (0.75, 0.3), (0.48, 1.4), (1.4, 0.48))
_CENTRE_STEP = 1 / 5  # of the width
_SOFTEST_STEPS = (0.12, 0.25, 0.5)  # in log τ
_STEEP_STEP = 0.05
_PARABOLAS = 25


@dataclasses.dataclass(frozen=True)
class Shapes:
    """Values of every shape at given τ."""

    values: FloatArray  # (shapes, τ)
    bounding: NDArray[np.bool_]  # (shapes,): whether it bounds a gain that is not shown; the others explain one that is


def shapes(taus: FloatArray, low: float, high: float) -> Shapes:
    """Every shape at the given τ.

    Steps as steep as the grid itself and lopsided bumps take part in explaining what was seen, and so in the lower
    bound. The upper bound uses them only once an effect is shown: a steep step at the end of the range rests on a
    single τ, and without an effect the bound would be that of one τ alone.

    Args:
        taus: Where to evaluate, shape (τ,).
        low: Lower end of the trained range.
        high: Upper end.
    """
    x, first, last = np.log(taus), np.log(low), np.log(high)
    bounding = [x, np.exp(x), -np.exp(-x)]
    for width in _WIDTHS:
        bounding += [_bump(x, centre, width, width) for centre in _centres(first, last, width)]
    for softness in _SOFTEST_STEPS:
        edges = _centres(first + 0.4, last - 0.15, max(0.3, 1.5 * softness))
        bounding += [special.expit((x - edge) / softness) for edge in edges]
    bounding += [-((x - top) ** 2) for top in np.linspace(first, last, _PARABOLAS)]

    explaining = [special.expit((x - edge) / _STEEP_STEP) for edge in _centres(first + 0.1, last - 0.05, 0.3)]
    for left, right in _LOPSIDED:
        explaining += [_bump(x, centre, left, right) for centre in _centres(first, last, min(left, right))]

    count = len(bounding) + len(explaining)
    return Shapes(np.array(bounding + explaining), np.arange(count) < len(bounding))


def _centres(first: float, last: float, width: float) -> FloatArray:
    count = 1 + int(np.ceil(max(last - first, 0.0) / (_CENTRE_STEP * width)))
    return np.linspace(first, max(first, last), count)


def _bump(x: FloatArray, centre: float, left: float, right: float) -> FloatArray:
    return np.asarray(np.exp(-0.5 * ((x - centre) / np.where(x < centre, left, right)) ** 2))
