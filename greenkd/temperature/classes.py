"""The class that a strategy belongs to in tables: how the τ of a training comes about."""

from greenkd.records import StrategyKind
from greenkd.temperature.strategies import Scheduled, Strategy


def tau_class(strategy: Strategy) -> str:
    """Returns how τ comes about, in one word or several joined by " + ".

    `search`: several τ are tried, and validation chooses. `random`: it is drawn, per batch or per sample. `scheduled`:
    it is a function of the step. `adaptive`: a rule reads it off the networks or the labels. `fixed`: none of these, so
    one τ that was given beforehand.
    """
    tries_several = strategy.kind is StrategyKind.CUSTOM and strategy.planned_trials() > 1
    is_random = strategy.kind is StrategyKind.STOCHASTIC or strategy.rule.draws
    words = {
        "search": strategy.kind in (StrategyKind.GRID, StrategyKind.SEARCH) or tries_several,
        "random": is_random,
        "scheduled": isinstance(strategy, Scheduled),
        "adaptive": not strategy.shares_tau and not strategy.rule.draws,
    }
    return " + ".join(word for word, holds in words.items() if holds) or "fixed"
