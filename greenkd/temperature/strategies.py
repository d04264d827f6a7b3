"""Strategies: what `temperature=…` chooses. Each names its trials, and gives a trial its schedule and its rule.

Here are those that train one τ, a list, or a schedule; others have modules of their own.
"""

import copy
import itertools
from abc import ABC, abstractmethod
from types import MappingProxyType
from typing import Annotated, ClassVar

import pydantic
from optuna import pruners, samplers
from optuna.distributions import BaseDistribution, FloatDistribution

from greenkd.records import StrategyKind
from greenkd.streams import numpy_stream, stream_seed
from greenkd.temperature.rules import Rule, Shared
from greenkd.temperature.rungs import Rung
from greenkd.temperature.schedules import (
    Constant,
    Distribution,
    RandomPerBatch,
    Schedule,
    Tau,
    TauRange,
    check_range,
)
from greenkd.temperature.search_space import Choices, Search, SearchSpace, Value

Params = dict[str, Value]

# Of strategies: no setting but those named, and a rule, which pydantic does not know, is taken as it is.
STRATEGY = pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=True)


class Strategy(ABC):
    """Base of all strategies: one training with nothing searched. A user's own overrides what differs.

    Attributes:
        kind: The family that the strategy belongs to in tables, as long as all samples share the schedule's τ.
        rule: What each sample is softened by. A strategy of the user's own that has an argument `rule` takes the
            configuration's `temperature.rule`.
        search: The settings that are searched besides τ, by their dotted keys. A trial's parameters name the values
            that it is trained with.
    """

    kind: ClassVar[StrategyKind] = StrategyKind.CUSTOM
    rule: Rule = Shared()
    search: SearchSpace = MappingProxyType({})

    @property
    def shares_tau(self) -> bool:
        """Whether the schedule's τ is what every sample is softened by."""
        return isinstance(self.rule, Shared)

    @property
    def searched(self) -> tuple[str, ...]:
        """The settings besides τ that its search chooses, by their dotted keys."""
        return tuple(self.search)

    @property
    def family(self) -> StrategyKind:
        """The family that a campaign of this strategy belongs to in tables.

        With a rule it is a family of its own, searched or not: the τ of its trials is a base, which cannot be compared
        with the τ of other strategies.
        """
        return self.kind if self.shares_tau else StrategyKind.ADAPTIVE

    def tau_range(self) -> TauRange | None:
        """Returns what τ is drawn or searched from; None where there is no such range."""
        return None

    def make_rule(self, params: Params) -> Rule:
        """Returns a rule for one trial, with a state of its own.

        Args:
            params: The trial's parameters.
        """
        return copy.deepcopy(self.rule)

    def planned_trials(self) -> int:
        """Returns the number of trainings this strategy asks for."""
        return len(self.queue())

    def rungs(self, epochs: int) -> list[Rung]:
        """Returns where trials pause, and how many go on; most strategies train all of them without a pause.

        Args:
            epochs: Epochs of a whole training.

        Raises:
            ValueError: A training of so many epochs is too short.
        """
        return [Rung(epochs, self.planned_trials())]

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


@pydantic.dataclasses.dataclass(frozen=True, config=STRATEGY)
class Fixed(Strategy):
    """One training at one τ: the control that every other strategy is compared with.

    Attributes:
        tau: τ; 4 is usual in the literature.
        rule: What each sample is softened by, with τ as the base.
    """

    kind: ClassVar[StrategyKind] = StrategyKind.FIXED
    tau: Tau = 4.0
    rule: Rule = pydantic.Field(default_factory=Shared)

    def queue(self) -> list[Params]:
        """Returns the one trial."""
        return [{"tau": self.tau}]

    def space(self) -> dict[str, BaseDistribution]:
        """Returns a range of one point, so that dashboards show τ."""
        return _tau_space(self.tau, self.tau)

    def schedule(self, params: Params) -> Schedule:
        """Returns the trial's τ at every step."""
        return Constant(tau=float(params["tau"]))


@pydantic.dataclasses.dataclass(frozen=True, config=STRATEGY)
class Grid(Strategy):
    """One training per listed τ; the one with the best validation score is chosen.

    With a search of other settings there is one training per combination of τ and their values. Trials bear the
    numbers of their places in the list, τ varying slowest, and are run in an order that is shuffled by the campaign's
    seed, so that a grid that is stopped half-way has not tried the small values of τ alone.

    Attributes:
        taus: The values of τ, each once, in the order of the trials' numbers.
        search: Settings besides τ whose values are listed.
        rule: What each sample is softened by, with the trial's τ as the base.
    """

    kind: ClassVar[StrategyKind] = StrategyKind.GRID
    taus: Annotated[tuple[Tau, ...], pydantic.Field(min_length=1)]
    search: Search = pydantic.Field(default_factory=dict)
    rule: Rule = pydantic.Field(default_factory=Shared)

    def __post_init__(self) -> None:
        for key, domain in self.search.items():
            if not isinstance(domain, Choices):
                raise ValueError(f"search.{key}: a grid has no intervals; list the values, or take temperature=optuna")

        repeated = sorted({tau for tau in self.taus if self.taus.count(tau) > 1})
        if repeated:
            raise ValueError(f"taus lists {', '.join(f'{tau:g}' for tau in repeated)} more than once; list each τ once")

    def queue(self) -> list[Params]:
        """Returns the listed values, in their order."""
        combinations = list(itertools.product(*(domain.samples() for domain in self.search.values())))
        return [
            {"tau": tau, **dict(zip(self.search, values, strict=True))} for tau in self.taus for values in combinations
        ]

    def trial_order(self, seed: int) -> list[int]:
        """Returns the places in the list, shuffled by the campaign's seed."""
        order: list[int] = numpy_stream(seed, "trial_order").permutation(len(self.queue())).tolist()
        return order

    def space(self) -> dict[str, BaseDistribution]:
        """Returns the range that the list spans, and the values of what is searched besides."""
        others = {key: domain.distribution() for key, domain in self.search.items()}
        return _tau_space(min(self.taus), max(self.taus)) | others

    def schedule(self, params: Params) -> Schedule:
        """Returns the trial's τ at every step."""
        return Constant(tau=float(params["tau"]))


@pydantic.dataclasses.dataclass(frozen=True, config=STRATEGY)
class Stochastic(Strategy):
    """One training with a random τ for every batch, instead of a search (Rafat et al., PLOS ONE 18(5): e0285668, 2023).

    Attributes:
        low: Smallest τ.
        high: Largest τ.
        distribution: How τ is drawn; `uniform_int` draws whole numbers, both ends included.
        rule: What each sample is softened by, with the drawn τ as the base.
    """

    kind: ClassVar[StrategyKind] = StrategyKind.STOCHASTIC
    low: Tau = 2.0
    high: Tau = 20.0
    distribution: Distribution = "uniform_int"
    rule: Rule = pydantic.Field(default_factory=Shared)

    def __post_init__(self) -> None:
        check_range(self.low, self.high, self.distribution)

    def tau_range(self) -> TauRange:
        """Returns the range that τ is drawn from."""
        return TauRange(self.low, self.high, self.distribution)

    def schedule(self, params: Params) -> Schedule:
        """Returns a new τ for every batch."""
        return RandomPerBatch(low=self.low, high=self.high, distribution=self.distribution)


class Scheduled(Strategy):
    """One training under any schedule: our `Annealed`, or a user's own class.

    Args:
        schedule: An object with the method of `Schedule`.
        rule: What each sample is softened by, with the schedule's τ as the base; None: all by that τ.
    """

    def __init__(self, schedule: Schedule, rule: Rule | None = None) -> None:
        self._schedule = schedule
        self.rule = rule or Shared()

    def schedule(self, params: Params) -> Schedule:
        """Returns the given schedule."""
        return self._schedule


def _tau_space(low: float, high: float) -> dict[str, BaseDistribution]:
    return {"tau": FloatDistribution(low, high)}
