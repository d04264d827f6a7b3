"""What is recorded of a trial: a row per epoch, the τ of each step, and how each attempt ended."""

import dataclasses

from greenkd.records.enums import TrialStatus
from greenkd.records.schema import SCHEMA_VERSION

ParamValue = float | int | bool | str


@dataclasses.dataclass(frozen=True, kw_only=True)
class EpochRow:
    """One epoch of one attempt."""

    trial: int | None  # None: the teacher
    attempt: int
    epoch: int  # zero-based
    lr: float  # at the epoch's last step
    tau_mean: float | None  # the student's τ as used, mean over the epoch's batches
    train_loss: float
    train_score: float | None  # None: the task has none
    val_loss: float | None  # cross-entropy; None: not evaluated after this epoch
    val_score: float | None
    duration_s: float
    tau_sd: float | None = None  # of τ within a batch, mean over the batches; None: all samples share the schedule's τ
    schema_version: int = SCHEMA_VERSION


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepsRow:
    """τ and loss of every batch of one epoch."""

    trial: int
    attempt: int
    epoch: int
    taus: tuple[float, ...]  # the student's τ of each step, with a rule its mean within the batch
    losses: tuple[float, ...]
    tau_sds: tuple[float, ...] | None = None  # of τ within each batch; None: all samples share the schedule's τ
    schema_version: int = SCHEMA_VERSION


@dataclasses.dataclass(frozen=True, kw_only=True)
class CorrectnessRow:
    """Which test images one trial's last epoch got right; `read_correctness` unpacks it."""

    trial: int
    images: int
    correct: str  # a bit for each image, in the order of the test split, first in the highest bit; base64
    schema_version: int = SCHEMA_VERSION


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialRow:
    """One finished attempt at a trial. The score that selects a trial is `val_score`, at the last epoch.

    An attempt that paused at a rung, and does not go on, has a second row: the same again, but pruned.
    """

    trial: int
    attempt: int
    status: TrialStatus
    # The schedule's parameters, {"tau": 4.0}, and searched settings by dotted key; {} where nothing is searched
    params: dict[str, ParamValue]
    epochs: int  # epochs trained, earlier attempts included
    val_score: float | None
    val_loss: float | None
    train_loss: float | None
    duration_s: float  # of this attempt, validation included
    cpu_s: float | None
    energy_kwh: float | None
    co2eq_g: float | None
    flops: float | None
    started_at: str
    cause: str | None = None  # why it failed, was pruned or interrupted
    schema_version: int = SCHEMA_VERSION
