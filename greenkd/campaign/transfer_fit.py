"""Which images students see: read from the group `transfer`, and whether that goes with the rest of a campaign."""

from collections.abc import Mapping
from typing import Any

from greenkd.components import ComponentConfig, build
from greenkd.errors import ConfigError
from greenkd.identity import REAL
from greenkd.objectives import Objective
from greenkd.synthesis import Transfer

# A smoke run's pool: as small as its data set, in a few steps of a small generator.
_SMALL = {
    "images": None,
    "held_out": None,
    "batch_size": 4,
    "steps": 2,
    "latent_size": 4,
    "width": 4,
    "embedding_size": 4,
    "bank_size": 8,
    "negatives": 4,
    "adversarial_rounds": 1,
}


def read_transfer(group: ComponentConfig) -> Transfer | None:
    """Builds the options that say which images students see; None: the data set's.

    Raises:
        ConfigError: A setting is refused.
    """
    if group.name == REAL:
        surplus = sorted(group.mapping.keys() - {"name"})
        if surplus:
            raise ConfigError(f"transfer.{surplus[0]}: transfer=real takes no settings; choose another transfer=…")
        return None
    return build(group.without_name(), where="transfer", expect=Transfer)  # type: ignore[type-abstract]


def check_transfer_fits(group: ComponentConfig, selection: str, objective: Objective, objective_name: str) -> None:
    """Refuses images without labels for an objective without a teacher, and a choice by images that there are not.

    Args:
        group: The group `transfer`.
        selection: What τ is chosen by.
        objective: Built from the configuration.
        objective_name: Its option, for messages.

    Raises:
        ConfigError: They do not go together, or a setting of the group is refused.
    """
    transfer = read_transfer(group)
    if transfer is None:
        if selection == "agreement":
            raise ConfigError(
                "selection=agreement needs images beside the data set's, on which student and teacher are held against "
                "each other; choose transfer=fast or another, or selection=validation"
            )
        return

    if objective.teacher is None:
        raise ConfigError(
            f"transfer={group.name}: objective={objective_name} has no teacher, and only a teacher says what these "
            "images show; choose an objective with one (kd, dkd, crd, …), or transfer=real"
        )
    if transfer.is_adversarial and objective.wants_features:
        raise ConfigError(
            f"transfer.adversarial: objective={objective_name} remembers every image that it is trained on, and more "
            "are to come; choose another objective, or transfer.adversarial=0"
        )


def shrunk_transfer(group: Mapping[str, Any], dataset: Mapping[str, Any]) -> dict[str, Any]:
    """Returns the group `transfer` as a smoke run has it.

    Args:
        group: As composed.
        dataset: The group `dataset`, whose made-up shape another data set's pictures get.
    """
    small = {**group, **{key: value for key, value in _SMALL.items() if key in group}}
    if "loader" in group:  # no file is read
        small |= {"loader": "greenkd.data.load_generated", "arguments": dict(dataset.get("generated") or {})}
    return small
