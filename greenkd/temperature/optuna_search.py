"""The strategy that searches: an Optuna sampler proposes the τ of every trial, and settings searched with it."""

from typing import Annotated, ClassVar, Literal

import pydantic
from optuna import pruners, samplers
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from greenkd.records import StrategyKind
from greenkd.streams import stream_seed
from greenkd.temperature.own_samplers import own_sampler
from greenkd.temperature.rules import Rule, Shared
from greenkd.temperature.schedules import Constant, Distribution, Schedule, Tau, TauRange, check_range
from greenkd.temperature.search_space import Interval, Search, Steps
from greenkd.temperature.strategies import STRATEGY, Params, Strategy

# CMA-ES needs two dimensions at least. This one is sampled and ignored, so that it can search over τ alone.
PADDING = "cmaes_padding"


@pydantic.dataclasses.dataclass(frozen=True, config=STRATEGY)
class OptunaSearch(Strategy):
    """`n_trials` trainings whose τ an Optuna sampler proposes, each knowing the validation scores of those before.

    With a search of other settings the sampler proposes the combination, and the combination is chosen.

    Attributes:
        sampler: Optuna's sampler, or `gp_per_kwh`; `random` and `qmc` do not learn from earlier trials.
        n_trials: Trainings in all, those that are pruned included.
        low: Smallest τ.
        high: Largest τ.
        distribution: The scale of τ; `uniform_int` searches whole numbers.
        pruner: Optuna's pruner, which stops trainings that look worse than the earlier ones at the same epoch.
        search: Settings besides τ, and what their values are proposed from.
        rule: What each sample is softened by, with the proposed τ as the base.
    """

    kind: ClassVar[StrategyKind] = StrategyKind.SEARCH
    sampler: Literal["tpe", "gp", "random", "cmaes", "qmc", "gp_per_kwh"] = "tpe"
    n_trials: Annotated[int, pydantic.Field(ge=1)] = 10
    low: Tau = 2.0
    high: Tau = 20.0
    distribution: Distribution = "uniform"
    pruner: Literal["none", "median", "hyperband"] = "none"
    search: Search = pydantic.Field(default_factory=dict)
    rule: Rule = pydantic.Field(default_factory=Shared)

    def __post_init__(self) -> None:
        check_range(self.low, self.high, self.distribution)
        own_sampler(self.sampler)  # imported now: no campaign is to be charged for it later

        # Optuna draws what these samplers cannot model at random, and would draw the same again and again here.
        for key, domain in self.search.items():
            if self.sampler in ("cmaes", "qmc") and not isinstance(domain, Interval | Steps):
                raise ValueError(
                    f"sampler={self.sampler} searches numbers only; give search.{key} an interval(low, high) or a "
                    "range(start, stop), or take sampler=tpe"
                )

    def tau_range(self) -> TauRange:
        """Returns the range that τ is searched in."""
        return TauRange(self.low, self.high, self.distribution)

    def planned_trials(self) -> int:
        """Returns `n_trials`."""
        return self.n_trials

    def queue(self) -> list[Params]:
        """Returns no trial: the sampler proposes all of them."""
        return []

    def space(self) -> dict[str, BaseDistribution]:
        """Returns the range of τ, on the scale that `distribution` names, and those of what is searched besides."""
        if self.distribution == "uniform_int":
            tau: BaseDistribution = IntDistribution(int(self.low), int(self.high))
        else:
            tau = FloatDistribution(self.low, self.high, log=self.distribution == "log_uniform")

        space: dict[str, BaseDistribution] = {"tau": tau}
        space |= {key: domain.distribution() for key, domain in self.search.items()}
        if self.sampler == "cmaes" and not self.search:
            space[PADDING] = FloatDistribution(0.0, 1.0)
        return space

    def make_sampler(self, seed: int, trial: int) -> samplers.BaseSampler:
        """Returns the named sampler, seeded by the trial's number."""
        # One scrambled sequence for the whole search: the position in it is kept in the study, not in the seed.
        if self.sampler == "qmc":
            return samplers.QMCSampler(scramble=True, seed=stream_seed(seed, "sampler") % 2**32)

        trial_seed = stream_seed(seed, "sampler", trial) % 2**32
        if self.sampler == "tpe":
            return samplers.TPESampler(seed=trial_seed)
        if self.sampler == "gp":
            return samplers.GPSampler(seed=trial_seed)
        own = own_sampler(self.sampler)
        if own is not None:
            return own(self.space(), trial_seed) if self.sampler == "gp_per_kwh" else own(seed=trial_seed)
        return samplers.RandomSampler(seed=trial_seed)

    def make_pruner(self, epochs: int) -> pruners.BasePruner:
        """Returns the named pruner; its resource is the epoch."""
        if self.pruner == "median":
            # Two epochs of grace: the first validation scores after warm-up rank trials hardly better than chance.
            return pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=min(2, epochs - 1))
        if self.pruner == "hyperband":
            return pruners.HyperbandPruner(min_resource=1, max_resource=max(epochs, 1), reduction_factor=3)
        return pruners.NopPruner()

    def schedule(self, params: Params) -> Schedule:
        """Returns the trial's τ at every step."""
        return Constant(tau=float(params["tau"]))
