"""What stands in campaign.json: the networks, the teacher, the chosen trial and its test."""

import dataclasses
from collections.abc import Iterable

from greenkd.records.data import DataRecord
from greenkd.records.enums import CampaignStatus, StrategyKind
from greenkd.records.ledger import Costs
from greenkd.records.pool import PoolRecord
from greenkd.records.schema import SCHEMA_VERSION
from greenkd.records.trial import ParamValue

REAL = "real"  # the transfer of students that see the data set's own images

# What earlier versions of greenkd held fixed in every campaign.
HELD_FIXED = ("split", "teacher")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Selected:
    """What a trial's last epoch gets on images that τ can be chosen by; measured after the choice was recorded."""

    score: float
    loss: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class TestResult:
    """Score of one trial's last epoch on the test set, opened after the choice was recorded."""

    trial: int
    score: float
    loss: float
    calibration_error: float | None = None  # expected calibration error, 15 bins; None: no such task, or not recorded
    selections: dict[str, Selected] | None = None  # by each that τ can be chosen by; None: there is but one
    details: dict[str, float] | None = None  # other figures of the task, by name: average precision of each class


@dataclasses.dataclass(frozen=True, kw_only=True)
class NetworkRecord:
    """A network's size. FLOPs count one MAC as two, convolutions and matrix products only."""

    name: str
    parameters: int
    forward_flops_per_image: float | None
    training_flops_per_image: float | None
    forward_macs_per_image: float | None = None  # multiply-accumulates; half the FLOPs by our convention


@dataclasses.dataclass(frozen=True, kw_only=True)
class InferenceRecord:
    """What one pass over the evaluation set costs: a mean over `passes` passes that were metered in one window."""

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
    """The teacher that a campaign used. Its training is recorded once, in the cache folder's own ledger."""

    key: str  # content hash: data, network, recipe, seed
    network: NetworkRecord
    val_score: float
    test_score: float
    costs: Costs | None  # of its training, all attempts, whoever paid; None: its weights were given
    trained_by: str  # campaign_id that paid, or "given"
    metered_by: str | None = None  # what `costs` are in terms of, see `meter_of`; None: not said (0.1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TauSource:
    """The earlier search that a campaign took its τ from; what it cost is no part of this campaign's costs."""

    campaign_id: str
    sweep: str
    dataset: str
    teacher: str
    student: str
    objective: str
    strategy: str
    seed: int
    params: dict[str, ParamValue]  # of the trial that was chosen there
    trainings: int
    costs: Costs  # of training and validating them, all attempts
    metered_by: tuple[str, ...]  # what these energies are in terms of, see `meter_of`


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
    host: str | None = None  # the machine's name, and the start of its boot's identifier
    scheduler: str | None = None  # slurm, pbs, lsf; None: no job of a scheduler
    job_id: str | None = None  # the scheduler's number of the job that began the campaign


def searching_name(strategy: str, searched: Iterable[str]) -> str:
    """Returns a strategy's name with what it searches, `grid τ × objective.alpha`; alone where that is τ at most.

    Args:
        strategy: The option's name.
        searched: The settings that it searches besides τ.
    """
    settings = tuple(searched)
    return f"{strategy} {' × '.join(('τ', *settings))}" if settings else strategy


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
    chosen_params: dict[str, ParamValue] | None
    val_score: float | None  # of the chosen trial, at its last epoch
    test_score: float | None  # of the chosen trial: the result
    tests: tuple[TestResult, ...]  # of every complete trial, opened after the choice
    logits_costs: Costs | None  # teacher logits as this campaign would have paid alone, in terms of its own meter
    teacher_paid: Costs | None = None  # the part of the teacher's training that this campaign paid
    logits_paid: Costs | None = None  # the part of the teacher logits that this campaign paid
    logits_metered_by: tuple[str, ...] | None = None  # whose readings logits_costs rest on; None: not said (0.1)
    student_inference: InferenceRecord | None = None  # of the chosen student
    teacher_inference: InferenceRecord | None = None
    data_fingerprint: str | None  # hash of the images and labels trained and tested on
    environment: Environment
    created_at: str
    updated_at: str
    message: str | None = None
    budget_stopped: bool = False  # True: trials are left, and a larger budget goes on with them
    refused: bool = False  # True: broken off by what `message` says; the same command goes on once that is mended
    broken_off_by: str | None = None  # where it is refused: "refusal", "teacher" (it failed), "unforeseen" (a bug)
    metric: str = "accuracy"  # what every score of this campaign is
    held_fixed: tuple[str, ...] = HELD_FIXED  # what all seeds share, besides the test images
    transfer: str = REAL  # which images students see; any other than the data set's are of `pool`
    selection: str = "validation"  # what τ is chosen by: the real validation split, or agreement on synthetic images
    pool: PoolRecord | None = None  # None: students see the data set's images, or the pool is not made yet
    synthesis_costs: Costs | None = None  # the pool as this campaign would have paid alone, in terms of its own meter
    synthesis_paid: Costs | None = None  # the part of it that this campaign paid
    synthesis_metered_by: tuple[str, ...] | None = None  # whose readings synthesis_costs rest on
    tau_class: str = ""  # how τ comes about: fixed, search, random, scheduled, adaptive, joined by +; empty: not said
    # Settings that were searched besides τ, by dotted key, with the value that the configuration gives them
    searched: dict[str, ParamValue | None] = dataclasses.field(default_factory=dict)
    tau_source: TauSource | None = None  # of temperature=transfer
    data: DataRecord | None = None  # None: an earlier version began it, which did not record this
    schema_version: int = SCHEMA_VERSION

    @property
    def data_label(self) -> str:
        """The data set, and what students see of it where that is not its own images."""
        return self.dataset if self.transfer == REAL else f"{self.dataset}, transfer={self.transfer}"

    @property
    def setting_label(self) -> str:
        """The same for tables, which say beside it how τ is chosen where students see no real images."""
        if self.transfer == REAL:
            return self.dataset
        mark = " (not data-free)" if self.selection == "validation" else ""
        return f"{self.data_label}, selection={self.selection}{mark}"


@dataclasses.dataclass(frozen=True, kw_only=True)
class OutlineEnvironment:
    """The part of `Environment` that an outline has."""

    meter: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class CampaignOutline:
    """What a command asks of campaigns before it runs any: a few fields of `CampaignRecord`."""

    campaign_id: str
    status: CampaignStatus
    environment: OutlineEnvironment
    schema_version: int
