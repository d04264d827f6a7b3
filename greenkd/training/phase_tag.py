"""What the energy of a training is recorded under."""

import dataclasses
from pathlib import Path

from greenkd.records import Phase


@dataclasses.dataclass(frozen=True)
class PhaseTag:
    """What the energy of a training is recorded under.

    Attributes:
        phase: What it is spent on.
        trial: The trial it is spent for; None for the teacher and for calibrations.
        attempt: The try at that trial, from 0.
        ledger: Another file than the campaign's; the teacher and the logit bank have their own.
    """

    phase: Phase
    trial: int | None = None
    attempt: int = 0
    ledger: Path | None = None
