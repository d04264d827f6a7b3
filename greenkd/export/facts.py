"""What travels with a student: how to use it, what it reaches, how its τ was chosen, and what that cost."""

import dataclasses
from typing import Any

from greenkd.records import SCHEMA_VERSION, Costs, DataRecord, TauSource, TestResult
from greenkd.records.campaign import REAL
from greenkd.records.trial import ParamValue


@dataclasses.dataclass(frozen=True, kw_only=True)
class Candidate:
    """One trial of the campaign, as validation saw it."""

    trial: int
    status: str  # how its last attempt ended
    params: dict[str, ParamValue]
    val_score: float | None
    val_loss: float | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudentCosts:
    """What the student took. A figure that is not known is None, never zero."""

    training: Costs  # of this one student: all attempts of its trial, validation included
    choosing: Costs  # of choosing τ: all trials, this one too, overhead, the teacher's logits, synthetic images
    teacher: Costs | None  # of the teacher's training, once, whoever paid; None: its weights were given, or it has none
    teacher_metered_by: str | None
    meters: tuple[str, ...]  # what the energies are in terms of, see `greenkd.records.meter_of`
    sources: tuple[str, ...]  # measured, modelled, constant, simulated: what the energies are made of
    pue: float | None  # None: not the same in all rows
    intensity_g_per_kwh: float | None
    intensity_source: str
    intensity_region: str
    intensity_year: int | None
    intensity_is_default: bool | None  # True: nobody chose a country
    hardware: str


@dataclasses.dataclass(frozen=True, kw_only=True)
class TeacherFacts:
    """The network that the student learned from."""

    name: str
    parameters: int
    test_score: float


@dataclasses.dataclass(frozen=True, kw_only=True)
class StudentFacts:
    """Everything about a student but its weights, from the records of its campaign."""

    campaign_id: str
    sweep: str
    dataset: str
    student: str
    objective: str
    strategy: str
    tau_class: str
    seed: int
    network: dict[str, Any]  # the configuration's group `student`, less its name: `_target_` and arguments
    parameters: int | None
    forward_flops_per_image: float | None
    data: DataRecord
    numbered_classes: bool  # True: the classes' names are not on record, and numbers stand in their places
    metric: str
    val_score: float | None  # of this trial, at its last epoch
    test: TestResult
    selection: str  # what τ was chosen by: validation, or agreement with the teacher
    transfer: str = REAL  # which images the student saw
    params: dict[str, ParamValue]  # τ, and what else was searched; empty where nothing was
    tau_source: TauSource | None  # the earlier search that τ was taken from, of temperature=transfer
    planned_trials: int
    candidates: tuple[Candidate, ...]
    teacher: TeacherFacts | None
    costs: StudentCosts
    message: str | None  # what kept the campaign from being complete
    smoke: bool  # True: made-up pictures; scores mean nothing
    greenkd: str  # the version that trained it
    created_at: str  # when the campaign was begun
    schema_version: int = SCHEMA_VERSION

    @property
    def tau(self) -> float | None:
        """The student's τ; None where it is not one number."""
        tau = self.params.get("tau")
        return None if tau is None else float(tau)

    @property
    def name(self) -> str:
        """What the student is called in a card: `tiny_cnn-digits`."""
        return f"{self.student}-{self.dataset}"
