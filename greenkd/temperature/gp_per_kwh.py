"""A Gaussian process that proposes the training with the largest expected improvement per predicted kilowatt hour.

The acquisition is that of Snoek et al. (NeurIPS 2012, section 3.2), with energy in the place of seconds: one process
models the validation score, another one the logarithm of the energy. No training costs more or less for its τ, so the
energy is modelled over the other parameters alone: where nothing but τ is searched, this is expected improvement.
"""

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from optuna import Study
from optuna._transform import _SearchSpaceTransform
from optuna.distributions import BaseDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel

Floats = NDArray[np.float64]

_STARTUP_TRIALS = 4
_CANDIDATES = 1024  # a power of two, as Sobol's sequence wants it


class GpPerKwh(BaseSampler):
    """Draws the first four trials at random, then goes by expected improvement per predicted kWh.

    Args:
        space: What is searched.
        seed: Of one trial; the same seed and history propose the same.

    Attributes:
        energy_kwh: What complete trials took, by our number; those that are missing are unknown.
    """

    def __init__(self, space: Mapping[str, BaseDistribution], seed: int) -> None:
        self._space = {name: distribution for name, distribution in space.items() if not distribution.single()}
        self._seed = seed
        self._random = RandomSampler(seed=seed)
        self.energy_kwh: Mapping[int, float] = {}

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        """Returns what is searched."""
        return dict(self._space)

    def sample_independent(self, study: Study, trial: FrozenTrial, name: str, distribution: BaseDistribution) -> Any:
        """Returns a random value: of the first trials, and of a parameter with a single one."""
        return self._random.sample_independent(study, trial, name, distribution)

    def sample_relative(
        self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]
    ) -> dict[str, Any]:
        """Returns the most promising of many candidates; nothing as long as too few trials are complete."""
        trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.RUNNING))
        known = [each for each in trials if search_space.keys() <= each.params.keys()]
        complete = [each for each in known if each.state == TrialState.COMPLETE]
        if len(complete) < _STARTUP_TRIALS or not search_space:
            return {}

        # Trials so far, and candidates, in the unit cube
        cube = _SearchSpaceTransform(search_space, transform_0_1=True)
        tried = np.stack([cube.transform(each.params) for each in complete])
        running = [cube.transform(each.params) for each in known if each.state == TrialState.RUNNING]
        scores = np.array([each.value for each in complete], dtype=np.float64)
        sobol = stats.qmc.Sobol(tried.shape[1], scramble=True, rng=np.random.default_rng(self._seed))
        drawn = [cube.untransform(row) for row in sobol.random(_CANDIDATES)]  # whole numbers and categories as such
        candidates = np.stack([cube.transform(params) for params in drawn])

        # The best by expected improvement per kWh
        improvement = expected_improvement(tried, scores, np.reshape(running, (-1, tried.shape[1])), candidates)
        energy = self._predicted_energy(complete, drawn)
        return drawn[int(np.argmax(improvement / energy))]

    def _predicted_energy(self, complete: Sequence[FrozenTrial], drawn: Sequence[Mapping[str, Any]]) -> Floats:
        """Returns what each candidate is predicted to take; 1 where nothing tells one from another."""
        space = {name: distribution for name, distribution in self._space.items() if name != "tau"}
        metered = [(each, self.energy_kwh.get(each.user_attrs.get("trial", -1), 0.0)) for each in complete]
        metered = [(each, energy) for each, energy in metered if energy > 0]
        if not space or len(metered) < 2:
            return np.ones(len(drawn))

        cube = _SearchSpaceTransform(space, transform_0_1=True)
        tried = np.stack([cube.transform({name: each.params[name] for name in space}) for each, _ in metered])
        candidates = np.stack([cube.transform({name: params[name] for name in space}) for params in drawn])
        logs = np.log([energy for _, energy in metered])
        mean, _ = _Process(tried, logs).predict(candidates)
        return np.asarray(np.exp(mean), dtype=np.float64)


def expected_improvement(tried: Floats, scores: Floats, running: Floats, candidates: Floats) -> Floats:
    """Returns by how much each candidate's score is expected to exceed the best so far.

    Scores have noise, so the best is that of the process and not the luckiest one. Trials that run are taken to get
    what is predicted of them, so that trials that are proposed together differ (Ginsbourger et al., 2010).

    Args:
        tried: Complete trials in the unit cube, [n, d].
        scores: Of those, [n]; larger is better.
        running: Trials that run, [r, d].
        candidates: [c, d].
    """
    process = _Process(tried, scores)
    if len(running):
        process = process.given(running, process.predict(running)[0])

    best = process.predict(tried)[0].max()
    mean, sd = process.predict(candidates)
    gain, sd = mean - best, np.maximum(sd, 1e-12)
    return np.asarray(gain * stats.norm.cdf(gain / sd) + sd * stats.norm.pdf(gain / sd), dtype=np.float64)


class _Process:
    """A Gaussian process with a Matérn kernel (ν = 5/2) and noise; its scales are those of the largest likelihood."""

    def __init__(self, points: Floats, values: Floats, kernel: Any = None) -> None:
        self._points, self._values = points, values
        self._centre, self._scale = float(values.mean()), float(values.std()) or 1.0

        matern = ConstantKernel(1.0, (0.05, 20.0)) * Matern(np.full(points.shape[1], 0.5), (0.05, 5.0), nu=2.5)
        free = matern + WhiteKernel(0.1, (1e-4, 2.0))
        optimizer = "fmin_l_bfgs_b" if kernel is None else None
        self._regressor = GaussianProcessRegressor(kernel or free, optimizer=optimizer)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # that a scale is at its bound
            self._regressor.fit(points, (values - self._centre) / self._scale)

    def given(self, points: Floats, values: Floats) -> "_Process":
        """Returns the process that has seen some more points, with the same scales."""
        every_point, every_value = np.vstack((self._points, points)), np.concatenate((self._values, values))
        return _Process(every_point, every_value, self._regressor.kernel_)

    def predict(self, points: Floats) -> tuple[Floats, Floats]:
        """Returns mean and standard deviation of what is behind the noise."""
        mean, sd = self._regressor.predict(points, return_std=True)
        variance = np.maximum(sd**2 - self._regressor.kernel_.k2.noise_level, 0.0)
        return self._centre + self._scale * mean, self._scale * np.sqrt(variance)
