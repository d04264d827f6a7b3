"""What the steps of an epoch left on the device, read to the host all at once."""

from typing import NamedTuple

import torch

from greenkd.training.checkpoint import Position


class StepReadings(NamedTuple):
    """What was noted at each step of an epoch.

    Attributes:
        losses: Of each step.
        tau_means: Mean of the student's τ within each batch; None where all samples share the schedule's τ.
        tau_sds: Its standard deviation within each batch; None likewise.
    """

    losses: list[float]
    tau_means: list[float] | None = None
    tau_sds: list[float] | None = None


def read_steps(position: Position) -> StepReadings:
    """Reads an epoch's steps; this is the one time in an epoch that the device is waited for."""
    losses = position.losses[None]
    rows = losses if position.taus is None else torch.cat((losses, position.taus))
    return StepReadings(*rows.tolist())
