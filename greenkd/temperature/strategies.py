"""Strategies: what `temperature=…` chooses. Each names its trials and turns a trial's parameters into a schedule.

Here are those whose trials are known beforehand; `optuna_search` has the one whose trials a sampler proposes.
"""

from abc import ABC, abstractmethod
from typing import Annotated, ClassVar

import pydantic
from optuna import pruners, samplers
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from greenkd.records import StrategyKind
from greenkd.streams import numpy_stream, stream_seed
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


class Strategy(ABC):
    """Base of all strategies: one training with nothing searched. A user's own overrides what differs.

    Attributes:
        kind: The family that the strategy belongs to in tables.
    """

    kind: ClassVar[StrategyKind] = StrategyKind.CUSTOM

    def planned_trials(self) -> int:
        """Returns the number of trainings this strategy asks for."""
        return len(self.queue())

    def queue(self) -> list[Params]:
        """Returns the parameters of the trials that are known beforehand; empty if a sampler proposes them."""
        return [{}]

    def trial_order(self, seed: int) -> list[int]:
        """Returns the numbers of the trials in `queue`, in the order in which they are run.

        Args:
            seed: The campaign's seed.
        """
        return list(range(len(self.queue())))

    def trial_seed(self, seed: int, params: Params) -> int:
        """Returns the seed of a trial's initial weights, data order, augmentation, dropout and τ.

        It is the campaign's own: trials differ in τ alone. Every other seed has a stream of batches of its own.

        Args:
            seed: The campaign's seed.
            params: The trial's parameters.
        """
        return seed

    def space(self) -> dict[str, BaseDistribution]:
        """Returns the Optuna distribution of each searched parameter."""
        return {}

    def make_sampler(self, seed: int, trial: int) -> samplers.BaseSampler:
        """Returns the Optuna sampler that proposes trial `trial`.

        It is made anew for every trial and seeded by the trial's number: with the history in the study's storage,
        that makes a resumed search propose what the uninterrupted one would have.

        Args:
            seed: The campaign's seed.
            trial: Our number of the trial.
        """
        return samplers.RandomSampler(seed=stream_seed(seed, "sampler", trial) % 2**32)

    def make_pruner(self, epochs: int) -> pruners.BasePruner:
        """Returns the Optuna pruner.

        Args:
            epochs: Epochs of a whole training.
        """
        return pruners.NopPruner()

    @abstractmethod
    def schedule(self, params: Params) -> Schedule:
        """Returns the schedule that a trial with these parameters is trained under."""


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class Fixed(Strategy):
    """One training at one τ: the control that every other strategy is compared with.

    Attributes:
        tau: τ; 4 is usual in the literature.
    """

    kind: ClassVar[StrategyKind] = StrategyKind.FIXED
    tau: Tau = 4.0

    def queue(self) -> list[Params]:
        """Returns the one trial."""
        return [{"tau": self.tau}]

    def space(self) -> dict[str, BaseDistribution]:
        """Returns a range of one point, so that dashboards show τ."""
        return _tau_space(self.tau, self.tau)

    def schedule(self, params: Params) -> Schedule:
        """Returns the trial's τ at every step."""
        return Constant(tau=float(params["tau"]))


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class Grid(Strategy):
    """One training per listed τ; the one with the best validation score is chosen.

    Trials bear the numbers of their places in the list, and are run in an order that is shuffled by the campaign's
    seed, so that a grid that is stopped half-way has not tried the small values of τ alone.

    Attributes:
        taus: The values of τ, each once, in the order of the trials' numbers.
    """

    kind: ClassVar[StrategyKind] = StrategyKind.GRID
    taus: Annotated[tuple[Tau, ...], pydantic.Field(min_length=1)]

    def __post_init__(self) -> None:
        repeated = sorted({tau for tau in self.taus if self.taus.count(tau) > 1})
        if repeated:
            raise ValueError(f"taus lists {', '.join(f'{tau:g}' for tau in repeated)} more than once; list each τ once")

    def queue(self) -> list[Params]:
        """Returns the listed values, in their order."""
        return [{"tau": tau} for tau in self.taus]

    def trial_order(self, seed: int) -> list[int]:
        """Returns the places in the list, shuffled by the campaign's seed."""
        order: list[int] = numpy_stream(seed, "trial_order").permutation(len(self.taus)).tolist()
        return order

    def space(self) -> dict[str, BaseDistribution]:
        """Returns the range that the list spans."""
        return _tau_space(min(self.taus), max(self.taus))

    def schedule(self, params: Params) -> Schedule:
        """Returns the trial's τ at every step."""
        return Constant(tau=float(params["tau"]))


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class Restarts(Strategy):
    """Several trainings at one τ that differ in their seed; the one with the best validation score is chosen.

    It shows what choosing the best of k trainings buys where τ is not searched: a control for searches of the same
    number of trainings. Restart 0 has the campaign's own seed, so it is the training of `Fixed` to the last bit; the
    others differ from it in initial weights, data order, augmentation and dropout. Split and teacher are the same.

    Attributes:
        tau: τ of every training.
        restarts: Number of trainings; 19 is what the default grid trains.
    """

    kind: ClassVar[StrategyKind] = StrategyKind.RESTARTS
    tau: Tau = 4.0
    restarts: Annotated[int, pydantic.Field(ge=1)] = 19

    def queue(self) -> list[Params]:
        """Returns τ and the number of the restart, from 0."""
        return [{"tau": self.tau, "restart": restart} for restart in range(self.restarts)]

    def trial_seed(self, seed: int, params: Params) -> int:
        """Returns the campaign's seed for restart 0, and for the others one derived from it."""
        restart = int(params["restart"])
        return stream_seed(seed, "restart", restart) if restart else seed

    def space(self) -> dict[str, BaseDistribution]:
        """Returns a range of one point for τ, and the numbers of the restarts."""
        return _tau_space(self.tau, self.tau) | {"restart": IntDistribution(0, self.restarts - 1)}

    def schedule(self, params: Params) -> Schedule:
        """Returns the trial's τ at every step."""
        return Constant(tau=float(params["tau"]))


@pydantic.dataclasses.dataclass(frozen=True, config=STRICT)
class Stochastic(Strategy):
    """One training with a random τ for every batch, instead of a search (Rafat et al., PLOS ONE 18(5): e0285668, 2023).

    Attributes:
        low: Smallest τ.
        high: Largest τ.
        distribution: How τ is drawn; `uniform_int` draws whole numbers, both ends included.
    """

    kind: ClassVar[StrategyKind] = StrategyKind.STOCHASTIC
    low: Tau = 2.0
    high: Tau = 20.0
    distribution: Distribution = "uniform_int"

    def __post_init__(self) -> None:
        check_range(self.low, self.high, self.distribution)

    def schedule(self, params: Params) -> Schedule:
        """Returns a new τ for every batch."""
        return RandomPerBatch(low=self.low, high=self.high, distribution=self.distribution)


class Scheduled(Strategy):
    """One training under any schedule: our `Annealed`, or a user's own class.

    Args:
        schedule: An object with the method of `Schedule`.
    """

    def __init__(self, schedule: Schedule) -> None:
        self._schedule = schedule

    def schedule(self, params: Params) -> Schedule:
        """Returns the given schedule."""
        return self._schedule


def _tau_space(low: float, high: float) -> dict[str, BaseDistribution]:
    return {"tau": FloatDistribution(low, high)}
