"""The pieces that campaigns of one setting are made of, with their costs."""

import dataclasses
from typing import NamedTuple

from greenkd.estimate.stopwatch import Work


class Pace(NamedTuple):
    """Cost of one epoch, and the single measurements behind it.

    Attributes:
        epoch: Mean cost of an epoch.
        samples: Of equal work each, an epoch or a step.
    """

    epoch: Work
    samples: tuple[Work, ...]


@dataclasses.dataclass(frozen=True)
class Calibration:
    """Costs of the pieces that campaigns of one setting are made of.

    Attributes:
        setup: Networks, objective and study of one campaign.
        trial: What a trial takes besides its epochs: student, proposal, weights, rows.
        student: An epoch of the student, validation included, the teacher's forward pass only where no bank is used.
        teacher: An epoch of the teacher's training; None where the objective needs no teacher.
        logits: The teacher's forward pass for the bank, per image, augmentation included; None without a bank.
        synthesis: All steps that make the images of the pool; no work where students see the data set's.
        student_evaluation: Per image of the test set.
        teacher_evaluation: Per image of the test set.
    """

    setup: Work
    trial: Work
    student: Pace
    teacher: Pace | None
    logits: Work | None
    synthesis: Work
    student_evaluation: Work
    teacher_evaluation: Work
