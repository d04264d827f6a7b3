"""Rules: what each sample is softened by, given the step's base τ and the logits of both networks."""

from greenkd.softening import RuleInputs, Softening
from greenkd.temperature.rules.base import Rule, RuleSetup
from greenkd.temperature.rules.dynamic import Dynamic
from greenkd.temperature.rules.learned import Learned
from greenkd.temperature.rules.loss_gap import LossGap
from greenkd.temperature.rules.options import RULES, rule_component
from greenkd.temperature.rules.per_class import PerClass
from greenkd.temperature.rules.per_sample_random import PerSampleRandom
from greenkd.temperature.rules.shared import Shared
from greenkd.temperature.rules.standardised import Standardised
from greenkd.temperature.rules.tryout import try_rule

__all__ = [
    "RULES",
    "Dynamic",
    "Learned",
    "LossGap",
    "PerClass",
    "PerSampleRandom",
    "Rule",
    "RuleInputs",
    "RuleSetup",
    "Shared",
    "Softening",
    "Standardised",
    "rule_component",
    "try_rule",
]
