"""Divides one reading among the segments it covers, so that the shares sum exactly to it."""

import itertools
import math
from collections.abc import Sequence


def shares(total: float, weights: Sequence[float]) -> list[float]:
    """Divides `total` in proportion to `weights`.

    Every share is a multiple of the total's last binary digit, so adding the shares up, in any order, rounds nowhere
    and gives the total back; what rounding leaves over is in the last share.

    Args:
        total: What is to be divided, finite, at least 0.
        weights: At least one, each finite and at least 0; if all are 0 the shares are equal.

    Returns:
        One share per weight, none negative.
    """
    if not any(weights):
        weights = [1.0] * len(weights)

    # Dividing by the largest first keeps the sum of extreme weights finite.
    largest = max(weights)
    relative = [weight / largest for weight in weights]
    relative_total = math.fsum(relative)

    # Each share lies between two bounds, all of them multiples of the total's last binary digit.
    quantum = math.ulp(total)
    bounds = [0.0]
    running = 0.0
    for weight in relative[:-1]:
        running += weight
        bound = math.floor(total * min(1.0, running / relative_total) / quantum) * quantum
        bounds.append(max(bounds[-1], min(bound, total)))
    bounds.append(total)

    return [after - before for before, after in itertools.pairwise(bounds)]
