"""The same training again and again under other seeds: what choosing the best of several buys without a search."""

from typing import Annotated, ClassVar

import pydantic
from optuna.distributions import BaseDistribution, FloatDistribution, IntDistribution

from greenkd.records import StrategyKind
from greenkd.streams import stream_seed
from greenkd.temperature.rules import Rule, Shared
from greenkd.temperature.schedules import Constant, Schedule, Tau
from greenkd.temperature.strategies import STRATEGY, Params, Strategy


@pydantic.dataclasses.dataclass(frozen=True, config=STRATEGY)
class Restarts(Strategy):
    """Several trainings at one τ that differ in their seed; the one with the best validation score is chosen.

    It shows what choosing the best of k trainings buys where τ is not searched: a control for searches of the same
    number of trainings. Restart 0 has the campaign's own seed, so it is the training of `Fixed` to the last bit; the
    others differ from it in initial weights, data order, augmentation and dropout. Split and teacher are the same.

    Attributes:
        tau: τ of every training.
        restarts: Number of trainings; 19 is what the default grid trains.
        rule: What each sample is softened by, with τ as the base.
    """

    kind: ClassVar[StrategyKind] = StrategyKind.RESTARTS
    tau: Tau = 4.0
    restarts: Annotated[int, pydantic.Field(ge=1)] = 19
    rule: Rule = pydantic.Field(default_factory=Shared)

    def queue(self) -> list[Params]:
        """Returns τ and the number of the restart, from 0."""
        return [{"tau": self.tau, "restart": restart} for restart in range(self.restarts)]

    def trial_seed(self, seed: int, params: Params) -> int:
        """Returns the campaign's seed for restart 0, and for the others one derived from it."""
        restart = int(params["restart"])
        return stream_seed(seed, "restart", restart) if restart else seed

    def space(self) -> dict[str, BaseDistribution]:
        """Returns a range of one point for τ, and the numbers of the restarts."""
        tau = FloatDistribution(self.tau, self.tau)
        return {"tau": tau, "restart": IntDistribution(0, self.restarts - 1)}

    def schedule(self, params: Params) -> Schedule:
        """Returns the trial's τ at every step."""
        return Constant(tau=float(params["tau"]))
