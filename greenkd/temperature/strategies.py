"""Strategies: what `temperature=…` chooses. Each names its trials and turns a trial's parameters into a schedule."""

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar, Literal

import optuna
import pydantic
from optuna import pruners, samplers
from optuna.distributions import BaseDistribution

from greenkd.records import StrategyKind
from greenkd.streams import stream_seed
from greenkd.temperature.cmaes import SafeCmaEsSampler
from greenkd.temperature.schedules import (
    STRICT,
    Constant,
    Distribution,
    RandomPerBatch,
    Schedule,
    Tau,
    check_range,
)

Params = dict[str, float | int | str]

# CMA-ES needs two dimensions at least. This one is sampled and ignored, so that it can search over τ alone.
PADDING = "cmaes_padding"


class Strategy(ABC):
    """Base of all strategies; a user's own derives from it and overrides what differs.

    Attributes:
        kind: The family in tables.
    """

    kind: ClassVar[StrategyKind] = StrategyKind.CUSTOM

    def planned_trials(self) -> int:
        """Returns the number of trainings this strategy asks for."""
        return len(self.queue())

    def queue(self) -> list[Params]:
        """Parameters of the trials that are known beforehand; empty if a sampler proposes them."""
        return [{}]

    def space(self) -> dict[str, BaseDistribution]:
        """Returns the Optuna distribution of each searched parameter."""
        return {}

    def make_sampler(self, seed: int, trial: int) -> samplers.BaseSampler:
        """Returns the Optuna sampler that proposes trial `trial`.

        It is made anew for every trial and seeded by the trial's number: with the history in the study's storage,
        that makes a resumed search propose what the uninterrupted one would have.
        """
        return optuna.samplers.RandomSampler(seed=stream_seed(seed, "sampler", trial) % 2**32)

    def make_pruner(self, epochs: int) -> pruners.BasePruner:
        """Returns the Optuna pruner."""
        return optuna.pruners.NopPruner()

    @abstractmethod
    def schedule(self, params: Params) -> Schedule:
        """Turns one trial's parameters into the schedule of its training."""


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class Fixed(Strategy):
    """One training at one τ: the control every other strategy is held against."""

    kind: ClassVar[StrategyKind] = StrategyKind.FIXED
    tau: Tau = 4.0

    def queue(self) -> list[Params]:
        """One trial."""
        return [{"tau": self.tau}]

    def space(self) -> dict[str, BaseDistribution]:
        """A range of one point, so that dashboards show τ."""
        return _tau_space(self.tau, self.tau)

    def schedule(self, params: Params) -> Schedule:
        """τ at every step."""
        return Constant(tau=float(params["tau"]))


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class Grid(Strategy):
    """One training per listed τ; the one with the best validation accuracy is kept."""

    kind: ClassVar[StrategyKind] = StrategyKind.GRID
    taus: Annotated[tuple[Tau, ...], pydantic.Field(min_length=1)]

    def __post_init__(self) -> None:
        repeated = sorted({tau for tau in self.taus if self.taus.count(tau) > 1})
        if repeated:
            raise ValueError(f"taus lists {', '.join(f'{tau:g}' for tau in repeated)} more than once; list each τ once")

    def queue(self) -> list[Params]:
        """The listed values, in their order."""
        return [{"tau": tau} for tau in self.taus]

    def space(self) -> dict[str, BaseDistribution]:
        """The range the list spans."""
        return _tau_space(min(self.taus), max(self.taus))

    def schedule(self, params: Params) -> Schedule:
        """τ at every step."""
        return Constant(tau=float(params["tau"]))


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class OptunaSearch(Strategy):
    """`n_trials` trainings whose τ an Optuna sampler proposes, each knowing the validation accuracy of those before."""

    kind: ClassVar[StrategyKind] = StrategyKind.SEARCH
    sampler: Literal["tpe", "gp", "random", "cmaes", "qmc"] = "tpe"
    n_trials: Annotated[int, pydantic.Field(ge=1)] = 10
    low: Tau = 2.0
    high: Tau = 20.0
    distribution: Distribution = "uniform"
    pruner: Literal["none", "median", "hyperband"] = "none"

    def __post_init__(self) -> None:
        check_range(self.low, self.high, self.distribution)

    def planned_trials(self) -> int:
        """`n_trials`."""
        return self.n_trials

    def queue(self) -> list[Params]:
        """Nothing is known beforehand."""
        return []

    def space(self) -> dict[str, BaseDistribution]:
        """The range of τ, on the scale that `distribution` names."""
        if self.distribution == "uniform_int":
            tau: BaseDistribution = optuna.distributions.IntDistribution(int(self.low), int(self.high))
        else:
            tau = optuna.distributions.FloatDistribution(self.low, self.high, log=self.distribution == "log_uniform")
        space: dict[str, BaseDistribution] = {"tau": tau}
        if self.sampler == "cmaes":
            space[PADDING] = optuna.distributions.FloatDistribution(0.0, 1.0)
        return space

    def make_sampler(self, seed: int, trial: int) -> samplers.BaseSampler:
        """Returns the named sampler."""
        own = stream_seed(seed, "sampler", trial) % 2**32
        if self.sampler == "tpe":
            return samplers.TPESampler(seed=own)
        if self.sampler == "gp":
            return samplers.GPSampler(seed=own)
        if self.sampler == "cmaes":
            return SafeCmaEsSampler(seed=own)
        if self.sampler == "qmc":
            # One scrambled sequence for the whole search: the position in it is kept in the study, not in the seed.
            return samplers.QMCSampler(scramble=True, seed=stream_seed(seed, "sampler") % 2**32)
        return samplers.RandomSampler(seed=own)

    def make_pruner(self, epochs: int) -> pruners.BasePruner:
        """Returns the named pruner; its resource is the epoch."""
        if self.pruner == "median":
            # Two epochs of grace: the first validation accuracies after warm-up rank trials hardly better than chance.
            return pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=min(2, epochs - 1))
        if self.pruner == "hyperband":
            return pruners.HyperbandPruner(min_resource=1, max_resource=max(epochs, 1), reduction_factor=3)
        return pruners.NopPruner()

    def schedule(self, params: Params) -> Schedule:
        """τ at every step."""
        return Constant(tau=float(params["tau"]))


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class Stochastic(Strategy):
    """One training with a random τ for every batch, instead of a search (Rafat et al., 2023)."""

    kind: ClassVar[StrategyKind] = StrategyKind.STOCHASTIC
    low: Tau = 2.0
    high: Tau = 20.0
    distribution: Distribution = "uniform_int"

    def __post_init__(self) -> None:
        check_range(self.low, self.high, self.distribution)

    def schedule(self, params: Params) -> Schedule:
        """A new τ for every batch."""
        return RandomPerBatch(low=self.low, high=self.high, distribution=self.distribution)


class Scheduled(Strategy):
    """One training under any schedule: our `Annealed`, or a user's own class.

    Args:
        schedule: An object with the method of `Schedule`.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def schedule(self, params: Params) -> Schedule:
        """The given schedule."""
        return self._schedule


def _tau_space(low: float, high: float) -> dict[str, BaseDistribution]:
    return {"tau": optuna.distributions.FloatDistribution(low, high)}
