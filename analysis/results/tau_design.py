"""What was trained, as projections: which part of the scores is noise, which may be the response to τ.

With scores as a vector y over all trainings, `within` takes away the level of each seed, `pure` leaves only what seeds
at the same τ disagree about (pure error), and `own_curves` leaves the part of that which a smooth curve of each seed's
own describes. They depend on seeds and τ alone, so they are worked out once for any number of sweeps.
"""

import dataclasses
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

FEWEST_DF = 5  # of the pure error; with less the noise is measured around a polynomial
_NO_PURE_ERROR = 1e-9  # of a training's variance
_OWN_CURVE_DEGREE = 3
_POLYNOMIAL_DEGREE = 5


@dataclasses.dataclass(frozen=True, kw_only=True)
class Design:
    """Projections on the trainings' space; each matrix is symmetric, (trainings, trainings)."""

    taus: FloatArray  # (trainings,)
    within: FloatArray
    pure: FloatArray
    pure_df: int
    own_curves: FloatArray
    own_curves_df: int
    cells: FloatArray  # (τ, trainings): one where a training has that τ
    replicated: bool  # pure error comes from seeds at the same τ, so a lack of fit can be tested

    def pure_square(self, scores: FloatArray) -> FloatArray:
        """Returns the pure error's sum of squares in scores, shape (…, trainings).

        A τ that was trained once has no pure error, so only the trainings at the others are looked at.
        """
        shared, pure = self._shared
        return np.asarray(((scores[..., shared] @ pure) ** 2).sum(axis=-1))

    @cached_property
    def _shared(self) -> tuple[NDArray[np.intp], FloatArray]:
        """The trainings that have pure error, and its projection among them."""
        shared = np.flatnonzero(np.diag(self.pure) > _NO_PURE_ERROR)
        return shared, self.pure[np.ix_(shared, shared)]

    def sums_at_taus(self, scores: FloatArray) -> FloatArray:
        """Returns the sum of the scores at each τ, shape (…, τ); the same as `scores @ cells.T`, for many τ."""
        order = np.argsort(self.taus, kind="stable")
        starts = np.searchsorted(self.taus[order], np.unique(self.taus))
        return np.asarray(np.add.reduceat(scores[..., order], starts, axis=-1))

    @property
    def cell_df(self) -> FloatArray:
        """Degrees of freedom of the pure error at each τ, shape (τ,)."""
        return np.asarray(self.cells @ np.diag(self.pure))


def design_of(seeds: NDArray[np.int64], taus: FloatArray) -> Design:
    """The projections of trainings at these seeds and τ.

    Args:
        seeds: Seed of each training.
        taus: τ of each training.
    """
    of_seed = (np.unique(seeds)[:, None] == seeds).astype(np.float64)
    of_tau = (np.unique(taus)[:, None] == taus).astype(np.float64)
    identity = np.eye(len(taus))
    scaled = _scaled_log(taus)

    # Pure error where seeds share τ, else the residual of a polynomial.
    both = _projection(np.vstack([of_seed, of_tau]))
    pure_df = _rank(identity - both)
    replicated = pure_df >= FEWEST_DF
    if not replicated:
        both = _projection(np.vstack([of_seed, *_powers(scaled, _POLYNOMIAL_DEGREE)]))
        pure_df = _rank(identity - both)

    # A cubic of each seed's own, beyond what the seeds share.
    own = np.vstack([of_seed * power for power in _powers(scaled, _OWN_CURVE_DEGREE)])
    joint = _projection(np.vstack([of_seed, of_tau if replicated else scaled[None], own]))
    own_curves = joint - both if replicated else np.zeros_like(identity)

    return Design(
        taus=taus,
        within=identity - _projection(of_seed),
        pure=identity - both,
        pure_df=pure_df,
        own_curves=own_curves,
        own_curves_df=_rank(own_curves),
        cells=of_tau,
        replicated=replicated,
    )


def _scaled_log(taus: FloatArray) -> FloatArray:
    logs = np.log(taus)
    return np.asarray(2 * (logs - logs.mean()) / max(float(np.ptp(logs)), np.finfo(np.float64).tiny))


def _powers(values: FloatArray, degree: int) -> list[FloatArray]:
    return [values**power for power in range(1, degree + 1)]


def _projection(rows: FloatArray) -> FloatArray:
    """The projection on the space that the rows span."""
    _, sizes, directions = np.linalg.svd(rows, full_matrices=False)
    basis = directions[sizes > 1e-9 * sizes[0]]
    return np.asarray(basis.T @ basis)


def _rank(projection: FloatArray) -> int:
    return round(float(np.trace(projection)))
