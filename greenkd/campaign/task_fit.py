"""Whether networks and objective are for the data set's task, and what the task makes of the settings left to it."""

import dataclasses
from collections.abc import Mapping
from typing import Any

from greenkd.data import task_of
from greenkd.errors import ConfigError
from greenkd.models import NETWORK_CARDS
from greenkd.objectives import Objective
from greenkd.training.recipe import TrainingOptions

OBJECTIVES = {
    "classification": (
        "none",
        "kd",
        "kd_alone",
        "kd_paper",
        "label_smoothing",
        "tfkd_self",
        "tfkd_reg",
        "dml",
        "dkd",
        "ttm",
        "annealing_kd",
        "crd",
        "crd_alone",
    ),
    "detection": ("ssd", "ssd_kl", "ssd_kd", "ssd_kd_paper", "ssd_self", "ssd_dml", "ssd_reg"),
}
"""The options of `objective` by task."""


def check_network_task(config: Mapping[str, Any], role: str) -> None:
    """Refuses a network of ours that is for another task than the data set's.

    Args:
        config: The configuration.
        role: `teacher` or `student`.

    Raises:
        ConfigError: It is for another task.
    """
    task = task_of(config["dataset"])
    module, _, name = str(config[role].get("_target_")).rpartition(".")
    card = NETWORK_CARDS.get(name) if module == "greenkd.models" else None
    if module == "greenkd.models" and (card.task if card else "classification") != task:
        fits = ", ".join(sorted(other.name for other in NETWORK_CARDS.values() if other.task == task))
        kind = card.task if card else "classification"
        raise ConfigError(
            f"{role}={config[role]['name']} is a network for {kind}, and dataset={config['dataset']['name']} is of "
            f"{task}; take one of {fits}"
        )


def check_objective_task(config: Mapping[str, Any], objective: Objective) -> None:
    """Refuses an objective that is a loss for another task than the data set's.

    Raises:
        ConfigError: It is one.
    """
    task = task_of(config["dataset"])
    if objective.task != task:
        raise ConfigError(
            f"objective={config['objective']['name']} is a loss for {objective.task}, and "
            f"dataset={config['dataset']['name']} is of {task}; take one of {', '.join(OBJECTIVES[task])}"
        )


def settle_training(training: TrainingOptions, task: str, objective: Objective) -> TrainingOptions:
    """Returns the options with `auto` replaced by what suits the task.

    What a teacher says in detection is thousands of numbers for each picture, so nothing is stored; but its pass is
    most of a step's arithmetic, so trials are trained in lockstep, and it is asked once for all of them.
    """
    is_detection = task == "detection"
    bank = training.bank if isinstance(training.bank, bool) else not is_detection
    asks_live = objective.teacher is not None and not bank

    in_lockstep = is_detection and asks_live and training.parallel_mode == "auto"
    return dataclasses.replace(training, bank=bank, parallel_mode="lockstep" if in_lockstep else training.parallel_mode)
