"""The schema of every file a campaign writes. No torch here: `analysis` imports this module and nothing else of ours.

A campaign's folder holds

    config.yaml        the resolved configuration
    campaign.json      CampaignRecord: who, what, the chosen trial, its test accuracy, totals, versions
    trials.jsonl       TrialRow, one line per finished attempt of a trial
    epochs.jsonl       EpochRow, one line per epoch of an attempt
    steps.jsonl        StepsRow, τ and loss of every batch, for schedules that change τ within a training
    ledger.jsonl       LedgerRow, one line per metered interval
    study.db           the Optuna study (SQLite), for optuna-dashboard
    student.safetensors  weights of the chosen trial's student at its last epoch

A sweep's folder, above its campaigns', may hold

    estimate.json      EstimateRecord: what `estimate=true` said, and how good it was
    calibration.jsonl  LedgerRow: what estimates, idle windows and calibrations between blocks took
    blocks.jsonl       BlockRow, one line per block of `schedule=interleaved`
    processes.jsonl    ProcessRow, one line per command: its whole window, and how much of it is in ledgers

Units stand in the names. Accuracies are fractions in [0, 1]. `None` (null) means not measured, never zero. Lines are
only ever appended, each in one write; `campaign.json` is replaced as a whole.
"""

import dataclasses
import errno
import json
import math
import os
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Any, Generic, TypeVar

import pydantic

from greenkd.errors import StorageError

SCHEMA_VERSION = 1
# Among the warnings of a row that no meter made: the campaign's share of what its command took outside the books.
UNMETERED = "start-up and time between campaigns, unmetered: an equal share, at the mean power of this campaign's rows"
_FLOP_FIELDS = ("flops", "forward_flops")


class RecordError(StorageError, ValueError):
    """A record file is of another schema version, or holds what no version of the schema allows."""


class DamagedRecordError(RecordError):
    """A record file is no JSON: its disk or another program has damaged it."""


class Phase(StrEnum):
    """What a metered interval was spent on."""

    TEACHER_TRAINING = "teacher_training"
    TEACHER_LOGITS = "teacher_logits"
    STUDENT_TRAINING = "student_training"
    VALIDATION = "validation"
    TEST = "test"
    INFERENCE = "inference"
    IDLE = "idle"
    CALIBRATION = "calibration"
    OVERHEAD = "overhead"


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


class CampaignStatus(StrEnum):
    """How far a campaign is."""

    RUNNING = "running"  # or killed: see `updated_at`
    DONE = "done"
    PARTIAL = "partial"  # ended, but some trials failed or a budget stopped it
    FAILED = "failed"  # no trial completed


class StrategyKind(StrEnum):
    """The family a temperature strategy belongs to in tables; CUSTOM is a user's own."""

    FIXED = "fixed"
    GRID = "grid"
    SEARCH = "search"
    STOCHASTIC = "stochastic"
    CUSTOM = "custom"


@dataclasses.dataclass(frozen=True, kw_only=True)
class SecondaryReading:
    """What another meter said of the same interval, normalised to device energy at PUE 1."""

    meter: str
    method: str
    cpu_kwh: float | None
    gpu_kwh: float | None
    ram_kwh: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Machine:
    """The machine's state around a row: how far others' work may have disturbed it. Shares are in [0, 1]."""

    load_before: float | None  # 1-minute load average
    load_after: float | None
    busy_share: float | None  # busy CPU time of the whole machine, of all CPU time
    steal_share: float | None  # CPU time the hypervisor gave to others
    pressure_share: float | None  # time in which some task waited for a CPU (Linux PSI)
    cpu_temperature_c: float | None = None
    gpu_temperature_c: float | None = None


@dataclasses.dataclass(frozen=True, kw_only=True)
class LedgerRow:
    """One metered interval of one phase. Rows are increments: a total is the sum of its rows."""

    campaign_id: str
    phase: Phase
    trial: int | None  # None: of the campaign or the teacher, not of one trial
    attempt: int  # 0 for the first try
    started_at: str  # ISO 8601, UTC
    duration_s: float  # our own monotonic clock
    cpu_s: float | None  # CPU seconds of the process and its children
    energy_kwh: float | None  # at the device, PUE 1: the sum of the components below that are not None
    cpu_kwh: float | None
    gpu_kwh: float | None
    ram_kwh: float | None
    cpu_source: Source
    gpu_source: Source
    ram_source: Source
    meter: str  # name and version, "codecarbon 3.3.2"
    method: str  # counter, sampled_power, load_model, tdp_constant, cpu_time_model, simulated, none
    scope: str  # process, machine or device
    apportioned: bool  # True: a share of a longer reading; CPU energy divided by CPU seconds, the rest by seconds
    pue: float
    intensity_g_per_kwh: float | None
    intensity_source: str
    co2eq_g: float | None  # energy_kwh x pue x intensity_g_per_kwh
    flops: float | None  # forward and backward as executed; 1 MAC = 2 FLOPs; convolutions and matrix products only
    forward_flops: float | None  # the forward part alone, the way the paper counts
    images: int  # training or evaluation images processed
    status: str = "ok"  # ok, or invalid: an expected device read nothing, and energy_kwh is null
    warnings: tuple[str, ...] = ()
    sensor: str = ""  # what was read or assumed, in words
    pue_source: str = ""
    intensity_year: int | None = None
    intensity_region: str = ""
    intensity_is_default: bool | None = None  # True: nobody chose a country
    cpu_time_kwh: float | None = None  # the CPU-time model, recorded beside every meter
    secondary: tuple[SecondaryReading, ...] = ()  # meters that ran beside the one whose numbers stand above
    resolution_share: float | None = None  # timing error bound: 2 x sensor period / length of the readings; >1 unusable
    idle_w: float | None = None  # mean power of the last idle phase of this process; not subtracted from anything
    machine: Machine | None = None  # None: not readable here
    sharers: float | None = None  # metered processes a device's reading was divided among; None: not looked for
    pid: int | None = None
    schema_version: int = SCHEMA_VERSION


@dataclasses.dataclass(frozen=True, kw_only=True)
class EpochRow:
    """One epoch of one attempt."""

    trial: int | None  # None: the teacher
    attempt: int
    epoch: int  # zero-based
    lr: float  # at the epoch's last step
    tau_mean: float | None  # the student's τ, mean over the epoch's batches
    train_loss: float
    train_accuracy: float
    val_loss: float | None  # cross-entropy; None: not evaluated after this epoch
    val_accuracy: float | None
    duration_s: float
    schema_version: int = SCHEMA_VERSION


@dataclasses.dataclass(frozen=True, kw_only=True)
class StepsRow:
    """τ and loss of every batch of one epoch."""

    trial: int
    attempt: int
    epoch: int
    taus: tuple[float, ...]  # the student's τ of each step
    losses: tuple[float, ...]
    schema_version: int = SCHEMA_VERSION


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrialRow:
    """One finished attempt at a trial. The score that selects a trial is `val_accuracy`, at the last epoch."""

    trial: int
    attempt: int
    status: TrialStatus
    params: dict[str, float | int | str]  # the schedule's parameters, {"tau": 4.0}; {} where nothing is searched
    epochs: int  # epochs trained, earlier attempts included
    val_accuracy: float | None
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


@dataclasses.dataclass(frozen=True, kw_only=True)
class Costs:
    """A sum over ledger rows. A sum with a missing part is None, not smaller."""

    energy_kwh: float | None
    co2eq_g: float | None
    duration_s: float
    cpu_s: float | None
    flops: float | None
    forward_flops: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class TestResult:
    """Accuracy of one trial's last epoch on the test set, opened after the choice was recorded."""

    trial: int
    accuracy: float
    loss: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkRecord:
    """A network's size."""

    name: str
    parameters: int
    forward_flops_per_image: float | None
    training_flops_per_image: float | None
    forward_macs_per_image: float | None = None  # multiply-accumulates; half the FLOPs by our convention


@dataclasses.dataclass(frozen=True, kw_only=True)
class InferenceRecord:
    """What classifying the evaluation set once costs, a mean over `passes` passes metered in one window."""

    network: str
    parameters: int
    images: int  # in the evaluation set
    batch_size: int
    threads: int | None  # CPU threads; None on a GPU
    passes: int
    costs: Costs  # of one pass; flops and forward_flops are equal
    images_per_s: float
    peak_memory_bytes: int | None  # weights, one batch and what its forward pass holds at once
    peak_memory_method: str  # allocator (a GPU's, workspaces included) or tensors (alive at once, workspaces not)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TeacherRecord:
    """The teacher a campaign used. Its training is booked once, in the cache folder's own ledger."""

    key: str  # content hash: data, network, recipe, seed
    network: NetworkRecord
    val_accuracy: float
    test_accuracy: float
    costs: Costs | None  # of its training, all attempts, whoever paid; None: its weights were given
    trained_by: str  # campaign_id that paid, or "given"


@dataclasses.dataclass(frozen=True, kw_only=True)
class Environment:
    """Where the numbers were made."""

    python: str
    packages: dict[str, str]  # torch, torchvision, optuna, hydra-core, codecarbon, ...
    meter: str
    platform: str
    cpu: str
    threads: int
    gpu: str | None
    device: str
    git_commit: str | None
    command: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class CampaignRecord:
    """One temperature strategy on one data set, teacher, student, objective and seed."""

    campaign_id: str  # hash of the resolved configuration less what cannot change a result
    setting_id: str  # the same less strategy and seed: campaigns with one setting_id may be compared
    sweep: str
    status: CampaignStatus
    dataset: str
    teacher: str
    student: str
    objective: str
    strategy: str
    kind: StrategyKind
    seed: int
    planned_trials: int
    student_network: NetworkRecord | None
    teacher_result: TeacherRecord | None  # None: the objective needs none, or it is not trained yet
    chosen_trial: int | None
    chosen_params: dict[str, float | int | str] | None
    val_accuracy: float | None  # of the chosen trial, at its last epoch
    test_accuracy: float | None  # of the chosen trial: the result
    tests: tuple[TestResult, ...]  # of every complete trial, opened after the choice
    logits_costs: Costs | None  # teacher logits as this campaign would have paid alone, whoever paid
    teacher_paid: Costs | None = None  # the part of the teacher's training that this campaign paid
    logits_paid: Costs | None = None  # the part of the teacher logits that this campaign paid
    student_inference: InferenceRecord | None = None  # of the chosen student
    teacher_inference: InferenceRecord | None = None
    data_fingerprint: str | None  # hash of the images and labels trained and tested on
    environment: Environment
    created_at: str
    updated_at: str
    message: str | None = None
    budget_stopped: bool = False  # True: trials are left, and a larger budget goes on with them
    schema_version: int = SCHEMA_VERSION


@dataclasses.dataclass(frozen=True, kw_only=True)
class CostEstimate:
    """What something will cost, before it is spent. The range is of CPU seconds; the rest scales with it."""

    name: str  # a strategy, "teacher training", "teacher logits", "start-up", "total", "stochastic alone"
    campaigns: int
    trials: int  # that are still to be run
    cpu_s: float
    duration_s: float
    energy_kwh: float | None
    co2eq_g: float | None
    low: float  # factor; of the cheapest among the single measurements behind the figure
    high: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class EstimateOutcome:
    """What it did cost."""

    finished_at: str
    cpu_s: float
    duration_s: float
    energy_kwh: float | None


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
    drifted: bool  # by more than a tenth: do not compare this block's trials with the first one's
    schema_version: int = SCHEMA_VERSION


@dataclasses.dataclass(frozen=True, kw_only=True)
class ProcessRow:
    """The window of one command, from the start of its process to the end of its last campaign."""

    pid: int
    command: str
    started_at: str
    duration_s: float
    cpu_s: float  # of this process, without those it started
    booked_s: float  # in ledger rows; the rest is unattributed
    booked_cpu_s: float
    schema_version: int = SCHEMA_VERSION


Row = TypeVar("Row", LedgerRow, EpochRow, StepsRow, TrialRow, BlockRow, ProcessRow)


@dataclasses.dataclass(frozen=True)
class Lines(Generic[Row]):
    """The rows of a file, and the lines that could not be read (a write that was cut off)."""

    rows: list[Row]
    torn: list[str]


def append_row(path: Path, row: LedgerRow | EpochRow | StepsRow | TrialRow | BlockRow | ProcessRow) -> None:
    """Appends one line in one write, so that lines of several processes never mix.

    Where the file ends in a line that was cut off, the new line begins below it: one torn line never costs two.

    Raises:
        StorageError: The line is not on disk.
    """
    line = json.dumps(dataclasses.asdict(row), allow_nan=False, separators=(",", ":")).encode() + b"\n"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            if os.write(descriptor, line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))  # the rest would not fit either
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise not_written(path, error) from error


def read_rows(path: Path, kind: type[Row]) -> Lines[Row]:
    """Reads a `.jsonl` file; a missing file has no rows.

    Raises:
        RecordError: A whole line is of another schema version, or not a row of this kind.
    """
    rows: list[Row] = []
    torn: list[str] = []
    if not path.exists():
        return Lines(rows, torn)
    adapter = _adapter(kind)
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
        except ValueError:
            torn.append(line.decode(errors="replace"))
            continue
        rows.append(_validated(adapter, fields, f"{path}:{number}"))
    return Lines(rows, torn)


def write_campaign(path: Path, record: CampaignRecord) -> None:
    """Replaces `campaign.json` as a whole."""
    write_json(path, dataclasses.asdict(record))


def read_campaign(path: Path) -> CampaignRecord:
    """Reads `campaign.json`.

    Raises:
        DamagedRecordError: It is no JSON.
        RecordError: It is no campaign record of a known schema version.
    """
    try:
        fields = json.loads(path.read_bytes())
    except ValueError as error:
        raise DamagedRecordError(f"{path}: not JSON ({error})") from error
    record: CampaignRecord = _validated(_adapter(CampaignRecord), fields, str(path))
    return record


def write_estimate(path: Path, record: EstimateRecord) -> None:
    """Replaces `estimate.json` as a whole."""
    write_json(path, dataclasses.asdict(record))


def read_estimate(path: Path) -> EstimateRecord | None:
    """Reads `estimate.json`; None if there is none.

    Raises:
        RecordError: It is no estimate of a known schema version.
    """
    if not path.exists():
        return None
    try:
        fields = json.loads(path.read_bytes())
    except ValueError as error:
        raise RecordError(f"{path}: not JSON ({error}); delete it, or run the estimate again") from error
    record: EstimateRecord = _validated(_adapter(EstimateRecord), fields, str(path))
    return record


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Writes JSON; see `write_text`."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Writes to a temporary name beside `path`, flushes to disk, renames: readers see the old file or the new one.

    Only one process at a time writes a path (its caller holds a lock), so what others left half-written is removed.

    Raises:
        StorageError: It is not on disk; what was there before still is.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        for leftover in path.parent.glob(f".{path.name}.*.tmp"):
            leftover.unlink(missing_ok=True)
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise not_written(path, error) from error


def not_written(path: Path, error: OSError) -> StorageError:
    """Returns what to tell a user whose disk refused a write."""
    return StorageError(
        f"{path}: cannot be written ({error.strerror}); "
        "free some space or make the folder writable, then run the same command again"
    )


def sum_costs(rows: Iterable[LedgerRow]) -> Costs:
    """Adds up ledger rows; a figure that one of the rows lacks is None in the sum. No rows sum to zero.

    A row that processed no images has no FLOPs to count, so its missing FLOPs are 0, not unknown.
    """
    listed = list(rows)

    def total(field: str) -> float | None:
        values = [getattr(row, field) for row in listed if not (field in _FLOP_FIELDS and row.images == 0)]
        return None if None in values else math.fsum(values)

    return Costs(
        energy_kwh=total("energy_kwh"),
        co2eq_g=total("co2eq_g"),
        duration_s=math.fsum(row.duration_s for row in listed),
        cpu_s=total("cpu_s"),
        flops=total("flops"),
        forward_flops=total("forward_flops"),
    )


def scale_costs(costs: Costs, factor: float) -> Costs:
    """Multiplies every figure; what is missing stays missing."""
    scaled: dict[str, Any] = {
        name: None if value is None else value * factor for name, value in dataclasses.asdict(costs).items()
    }
    return Costs(**scaled)


def find_campaigns(root: Path) -> Iterator[Path]:
    """Yields the folders below `root` that hold a campaign, sorted by path."""
    for file in sorted(root.rglob("campaign.json")):
        yield file.parent


T = TypeVar("T")


# Building an adapter takes 10 ms, and an analysis reads hundreds of files.
_ADAPTERS: dict[Any, pydantic.TypeAdapter[Any]] = {}


def _adapter(kind: Any) -> pydantic.TypeAdapter[Any]:
    if kind not in _ADAPTERS:
        _ADAPTERS[kind] = pydantic.TypeAdapter(kind)
    return _ADAPTERS[kind]


def _validated(adapter: pydantic.TypeAdapter[T], fields: Any, where: str) -> T:
    version = fields.get("schema_version") if isinstance(fields, dict) else None
    if version != SCHEMA_VERSION:
        raise RecordError(f"{where}: schema version {version!r}, this greenkd reads {SCHEMA_VERSION}")
    try:
        return adapter.validate_python(fields)
    except pydantic.ValidationError as error:
        first = error.errors()[0]
        key = ".".join(str(part) for part in first["loc"])
        raise RecordError(f"{where}: {key}: {first['msg']}") from error
