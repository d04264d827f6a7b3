"""Intervals that are crossed over seeds and test images: what other seeds and other images of the kind would give.

A gain that was found on one test set has two sources of chance: the seeds of the trainings, and which images were drawn
(Dietterich 1998, Neural Computation 10; Bouthillier et al. 2021, "Accounting for variance in machine learning
benchmarks", MLSys). Seeds and images are crossed: every training was tested on every image. So the difference on one
image under one seed is gain + seed + image + rest, a two-way layout with both effects random. The variance of its mean
over S seeds and I images is estimated without bias by the layout's mean squares:

    Var(mean) = MS(seeds) / (S·I) + (MS(images) − MS(rest)) / (S·I)

(Cornfield and Tukey 1956, Ann. Math. Stat. 27; in radiology, with readers in the place of seeds and cases in that of
images, Dorfman, Berbaum and Metz 1992, Invest. Radiol. 27). The first term is what the seeds alone say, for which the
verdict has its own estimate; the second one is added here, with Satterthwaite's degrees of freedom (1946, Biometrics
Bulletin 2).
"""

import dataclasses
import math

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from analysis.results.search_gain import Gain

FloatArray = NDArray[np.float64]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Crossed:
    """The interval of a gain for other seeds and other test images.

    Attributes:
        images: Test images.
        standard_error: Over seeds and images, points.
        df: Its degrees of freedom.
        low: Lower end, points.
        high: Upper end, points.
    """

    images: int
    standard_error: float
    df: float
    low: float
    high: float


def crossed_interval(gain: Gain, on_images: FloatArray, levels: tuple[float, float]) -> Crossed | None:
    """Widens the interval over seeds by the chance in the images.

    Args:
        gain: The gain over seeds of one sweep.
        on_images: The difference on every image in points, shape (seeds, images).
        levels: The chance that the lower end is wrong, and the upper one.

    Returns:
        None where there is no interval over seeds.
    """
    seeds, images = on_images.shape
    standard_error = float(gain.standard_error)
    if seeds < 2 or images < 2 or not standard_error > 0:
        return None

    # Mean squares of the two-way layout
    of_images = on_images.mean(axis=0)
    centred = on_images - on_images.mean(axis=1, keepdims=True) - of_images + on_images.mean()
    images_square = seeds * of_images.var(ddof=1)
    rest_square = (centred**2).sum() / ((seeds - 1) * (images - 1))

    # Variances of the mean: of the seeds, of the images, and what the estimate of the latter subtracts
    of_seeds = standard_error**2
    parts = [images_square / (seeds * images), rest_square / (seeds * images)]
    variance = of_seeds + max(parts[0] - parts[1], 0.0)
    uncertainty = of_seeds**2 / float(gain.df) + parts[0] ** 2 / (images - 1)
    uncertainty += parts[1] ** 2 / ((seeds - 1) * (images - 1))

    df = variance**2 / uncertainty
    reach = [float(stats.t.isf(level, df)) * math.sqrt(variance) for level in levels]
    value = float(gain.value)
    return Crossed(
        images=images, standard_error=math.sqrt(variance), df=df, low=value - reach[0], high=value + reach[1]
    )
