"""How probably each trial of a search would have been chosen, had the noise of the validation fallen otherwise.

A search keeps the trial with the best validation score, and the test score of that one trial is noisy. If fresh noise
is added to the validation scores and the choice is made again, another trial may win. The average over these choices
is the bagged choice (Breiman 1996, "Bagging predictors", Machine Learning 24; Efron 2014, "Estimation and accuracy
after model selection", JASA 109, section 2): it uses the test scores of all trials that had a chance.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import special

FloatArray = NDArray[np.float64]

_NODES = np.linspace(-3.5, 5.5, 73)  # standard deviations around the best score; beyond them the maximum never lies
_SMALLEST_NOISE = 1e-9


def chances(validation: FloatArray, noise: FloatArray) -> FloatArray:
    """The chance of each trial to have the largest value once independent normal noise is added to every value.

    The chance of trial j is the integral of φ(t − vⱼ) times the product of Φ(t − vₖ) over the other trials k, in units
    of the noise. It is computed on a fixed grid of t, so the answer is the same at every call.

    Args:
        validation: Scores of which the largest is chosen, shape (…, trials); NaN for a trial that cannot be chosen.
        noise: Standard deviation of the added noise, shape (…).

    Returns:
        Chances, shape (…, trials), that add up to one.
    """
    scores = np.where(np.isnan(validation), -np.inf, validation)
    best = scores.max(axis=-1, keepdims=True)
    below = (best - scores) / np.maximum(noise, _SMALLEST_NOISE)[..., None]

    distance = _NODES + below[..., None]
    density = np.exp(-0.5 * distance**2)
    log_below = special.log_ndtr(distance)

    others = log_below.sum(axis=-2, keepdims=True) - log_below
    chance = (density * np.exp(others)).sum(axis=-1)
    return np.asarray(chance / chance.sum(axis=-1, keepdims=True))
