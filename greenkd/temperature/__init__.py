"""Temperature strategies: search (which trainings are run) × schedule (which τ each step of a training uses)."""

from greenkd.temperature.optuna_search import OptunaSearch
from greenkd.temperature.schedules import Annealed, Constant, Distribution, RandomPerBatch, Schedule, Temperatures
from greenkd.temperature.strategies import Fixed, Grid, Restarts, Scheduled, Stochastic, Strategy
from greenkd.temperature.study import Proposal, StrategyStudy

__all__ = [
    "Annealed",
    "Constant",
    "Distribution",
    "Fixed",
    "Grid",
    "OptunaSearch",
    "Proposal",
    "RandomPerBatch",
    "Restarts",
    "Schedule",
    "Scheduled",
    "Stochastic",
    "Strategy",
    "StrategyStudy",
    "Temperatures",
]
