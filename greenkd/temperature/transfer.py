"""The strategy that searches nothing: it takes the τ that an earlier search of another pair chose."""

import copy
from typing import Annotated, ClassVar, Self

import pydantic
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

from greenkd.records import StrategyKind
from greenkd.temperature.rules import Rule, Shared
from greenkd.temperature.schedules import Constant, Schedule
from greenkd.temperature.strategies import Params, Strategy


def _as_text(value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError("give the folder of an earlier search: temperature.source=multirun/<sweep>")
    return value


class Transfer(Strategy):
    """One training at the τ that an earlier grid or search chose elsewhere: on other data, or for another pair.

    What it takes is not known before the records of that search have been read, which `greenkd.campaign.tau_source`
    does; `taking` then returns the strategy that is run.

    Args:
        source: Folder of that sweep, or of one of its strategies or campaigns.
        rule: What each sample is softened by, with that τ as the base; None: all by that τ.

    Attributes:
        taken: What was chosen there: τ, and settings that were searched with it; empty before it is known.
    """

    kind: ClassVar[StrategyKind] = StrategyKind.TRANSFER

    def __init__(self, source: Annotated[str, pydantic.BeforeValidator(_as_text)], rule: Rule | None = None) -> None:
        self.source = source
        self.rule = rule or Shared()
        self.taken: Params = {}

    @property
    def searched(self) -> tuple[str, ...]:
        """Settings besides τ that the source's search chose."""
        return tuple(key for key in self.taken if "." in key)

    def taking(self, params: Params) -> Self:
        """Returns the same strategy with what the source's search chose.

        Args:
            params: Parameters of the trial that was chosen there.
        """
        strategy = copy.copy(self)
        strategy.taken = dict(params)
        return strategy

    def queue(self) -> list[Params]:
        """Returns the one trial."""
        return [dict(self.taken)]

    def space(self) -> dict[str, BaseDistribution]:
        """Returns a range of one point, so that dashboards show τ."""
        tau = float(self.taken["tau"])
        others = {key: CategoricalDistribution((self.taken[key],)) for key in self.searched}
        return {"tau": FloatDistribution(tau, tau), **others}

    def schedule(self, params: Params) -> Schedule:
        """Returns the trial's τ at every step."""
        return Constant(tau=float(params["tau"]))
