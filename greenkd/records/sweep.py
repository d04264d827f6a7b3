"""What is recorded in a sweep's folder, above its campaigns: estimates, blocks of interleaved campaigns, commands."""

import dataclasses
from collections.abc import Iterable

from greenkd.records.schema import SCHEMA_VERSION


@dataclasses.dataclass(frozen=True, kw_only=True)
class CostEstimate:
    """What something will cost, before it is spent. `low` and `high` are of CPU seconds."""

    name: str  # a strategy, "teacher training", "teacher logits", "start-up", "total", "stochastic alone"
    campaigns: int
    trials: int  # that are still to be run
    cpu_s: float
    duration_s: float
    energy_kwh: float | None
    co2eq_g: float | None
    low: float  # factor; of the cheapest among the single measurements behind the figure
    high: float
    flops: float | None = None  # training, logits, validation and test; None: written before FLOPs were estimated
    duration_low_s: float | None = None
    duration_high_s: float | None = None
    energy_low_kwh: float | None = None
    energy_high_kwh: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class EstimateOutcome:
    """What the estimated command did cost, once it was run."""

    finished_at: str
    cpu_s: float
    duration_s: float  # of processes side by side, added up
    energy_kwh: float | None
    flops: float | None = None  # without metered inference, which fills a second with as many passes as it can


@dataclasses.dataclass(frozen=True, kw_only=True)
class EstimateRecord:
    """`estimate.json` in a sweep's folder: what `estimate=true` said, and how good it was."""

    sweep: str
    created_at: str
    campaign_ids: tuple[str, ...]
    source: str  # calibration or earlier ledgers, in words
    meter: str
    rows: tuple[CostEstimate, ...]
    total: CostEstimate
    stochastic_alone: CostEstimate
    outcome: EstimateOutcome | None = None  # None: not run to the end since
    schema_version: int = SCHEMA_VERSION


@dataclasses.dataclass(frozen=True, kw_only=True)
class BlockRow:
    """One block of campaigns that take turns, and the state of the machine before it."""

    block: int
    strategies: tuple[str, ...]  # in the order of their turns, "grid seed 0"
    started_at: str
    idle_w: float | None  # mean power of the idle window; None: none was measured
    calibration_cpu_s: float | None  # of the fixed training steps
    calibration_kwh: float | None
    drift: float | None  # calibration_cpu_s over that of this command's first block, less 1
    drifted: bool  # drift is more than a tenth: do not compare this block's trials with the first one's
    schema_version: int = SCHEMA_VERSION


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProcessRow:
    """The window of one command, from the start of its process to the end of its last campaign.

    Or, with another `kind`, what it took after that and charged to no campaign. A launcher's process that runs several
    jobs writes a row at the end of each, all from its start: `latest_of_each` leaves the last one.
    """

    pid: int
    command: str
    started_at: str
    duration_s: float
    cpu_s: float  # of this process, without those it started
    metered_s: float  # in ledger rows; the rest is unattributed
    metered_cpu_s: float
    kind: str = "command"  # or "comparison": the tables printed at its end
    host: str | None = None  # on which the number of the process holds
    job_id: str | None = None  # of a scheduler's job that the process was part of
    schema_version: int = SCHEMA_VERSION


def latest_of_each(rows: Iterable[ProcessRow]) -> list[ProcessRow]:
    """Returns the last row of each process and kind, in the order in which they began."""
    return list({(row.host, row.pid, row.started_at, row.kind): row for row in rows}.values())
