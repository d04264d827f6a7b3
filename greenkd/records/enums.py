"""The words that records are written with: phases, sources of numbers, how trials and campaigns end."""

from enum import StrEnum


class Phase(StrEnum):
    """What a metered interval was spent on."""

    TEACHER_TRAINING = "teacher_training"
    TEACHER_LOGITS = "teacher_logits"
    SYNTHESIS = "synthesis"  # of the images that students see in the data set's place
    STUDENT_TRAINING = "student_training"
    VALIDATION = "validation"
    TEST = "test"
    INFERENCE = "inference"
    IDLE = "idle"
    CALIBRATION = "calibration"
    OVERHEAD = "overhead"
    START_UP = "start_up"  # of a process: interpreter, imports, Hydra between two jobs


class Source(StrEnum):
    """How a number came about. The tag travels with the number into every table."""

    MEASURED = "measured"  # a sensor or counter was read
    MODELLED = "modelled"  # computed from a load or a table
    CONSTANT = "constant"  # a fixed wattage
    SIMULATED = "simulated"  # made up, for tests
    ABSENT = "absent"  # nothing could be read; the number is null


class TrialStatus(StrEnum):
    """How an attempt at a trial ended. An attempt with ledger rows but no TrialRow was killed."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    PAUSED = "paused"  # at a rung of successive halving, with a checkpoint; it goes on, or a later row says pruned

    @property
    def has_ended(self) -> bool:
        """Whether the trial is over; another attempt goes on with one that is not, from its checkpoint."""
        return self not in (TrialStatus.INTERRUPTED, TrialStatus.PAUSED)


class CampaignStatus(StrEnum):
    """How far a campaign is."""

    RUNNING = "running"  # or killed: see `updated_at`
    DONE = "done"
    PARTIAL = "partial"  # ended, but some trials failed or a budget stopped it
    FAILED = "failed"  # no trial completed


class StrategyKind(StrEnum):
    """The family a temperature strategy belongs to in tables.

    ADAPTIVE is any strategy with a rule, which softens samples by what the networks say of them; CUSTOM a user's own.
    """

    FIXED = "fixed"
    GRID = "grid"
    SEARCH = "search"
    TRANSFER = "transfer"  # one training, at the τ of an earlier search elsewhere
    STOCHASTIC = "stochastic"
    RESTARTS = "restarts"
    ADAPTIVE = "adaptive"
    CUSTOM = "custom"
