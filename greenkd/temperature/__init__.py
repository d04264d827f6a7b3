"""Temperature strategies: search × schedule × rule.

The search says which trainings are run, the schedule which base τ each step of a training has, the rule what each
sample is softened by.
"""

from greenkd.temperature.classes import tau_class
from greenkd.temperature.configuration import read_strategy
from greenkd.temperature.halving import Halving
from greenkd.temperature.optuna_search import OptunaSearch
from greenkd.temperature.proposal import Proposal
from greenkd.temperature.restarts import Restarts
from greenkd.temperature.rules import Rule, RuleInputs, RuleSetup, Shared, Softening
from greenkd.temperature.rungs import Rung, total_epochs
from greenkd.temperature.schedules import Annealed, Constant, Distribution, RandomPerBatch, Schedule, Temperatures
from greenkd.temperature.strategies import Fixed, Grid, Params, Scheduled, Stochastic, Strategy
from greenkd.temperature.study import StrategyStudy
from greenkd.temperature.transfer import Transfer

__all__ = [
    "Annealed",
    "Constant",
    "Distribution",
    "Fixed",
    "Grid",
    "Halving",
    "OptunaSearch",
    "Params",
    "Proposal",
    "RandomPerBatch",
    "Restarts",
    "Rule",
    "RuleInputs",
    "RuleSetup",
    "Rung",
    "Schedule",
    "Scheduled",
    "Shared",
    "Softening",
    "Stochastic",
    "Strategy",
    "StrategyStudy",
    "Temperatures",
    "Transfer",
    "read_strategy",
    "tau_class",
    "total_epochs",
]
