"""The checked settings of one campaign, and what follows from them."""

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic
import torch
from pydantic import BeforeValidator, Field, PlainValidator

from greenkd.campaign.budget import BudgetOptions
from greenkd.campaign.transfer_fit import read_transfer
from greenkd.components import ComponentConfig, build
from greenkd.data import task_of
from greenkd.objectives import Objective
from greenkd.records import TauSource
from greenkd.records.place import address_problem
from greenkd.synthesis import Transfer
from greenkd.temperature import Strategy
from greenkd.training.backend.placement import LOCKSTEP_AUTO, Placement, place_trials
from greenkd.training.recipe import TrainingOptions


def _unchanged_if(allowed: Callable[[Any], bool], cure: str) -> PlainValidator:
    """Makes a validator that lets an allowed value pass as it is, and answers any other with the cure."""

    def validate(value: Any) -> Any:
        if not allowed(value):
            raise ValueError(cure)
        return value

    return PlainValidator(validate)


def _is_whole(value: Any, least: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def _read_place(value: Any) -> Path:
    problem = address_problem(value)
    if problem is not None:
        raise ValueError(problem)
    return Path(str(value))


_Text = Annotated[str, BeforeValidator(str)]  # sweep=2024 is a number to Hydra
_Place = Annotated[Path, BeforeValidator(_read_place)]
_Switch = Annotated[bool, _unchanged_if(lambda value: isinstance(value, bool), "give true or false")]
_Seed = Annotated[int, _unchanged_if(lambda value: _is_whole(value, 0), "give a whole number from 0 on")]
_Threads = Annotated[
    int | Literal["auto"],
    _unchanged_if(lambda value: value == "auto" or _is_whole(value, 1), "give auto or a whole number from 1 on"),
]
_Url = Annotated[
    str | None,
    _unchanged_if(
        lambda value: value is None or "://" in str(value),
        "give null, or a URL such as postgresql://user@host/studies",
    ),
]
_Retry = Annotated[
    Literal["none", "failed"], _unchanged_if(lambda value: value in ("none", "failed"), "give none or failed")
]
_Selection = Annotated[
    Literal["validation", "agreement"],
    _unchanged_if(lambda value: value in ("validation", "agreement"), "give validation or agreement"),
]
_Order = Annotated[
    Literal["auto", "sequential", "interleaved"],
    _unchanged_if(lambda value: value in ("auto", "sequential", "interleaved"), "give auto, sequential or interleaved"),
]


@pydantic.dataclasses.dataclass(frozen=True, config=pydantic.ConfigDict(extra="forbid"))
class Interleaving:
    """What is measured of the machine where campaigns take turns; it is charged to no campaign.

    Attributes:
        every: Before the first block of each `seed`, or before each `block`.
        idle_s: Seconds of doing nothing, which show what the machine draws at rest.
        calibration_steps: Fixed training steps, which show whether the machine has changed; 0 leaves them out.
    """

    every: Literal["seed", "block"]
    idle_s: Annotated[float, Field(ge=0, le=3600)]
    calibration_steps: Annotated[int, Field(ge=0)]


@pydantic.dataclasses.dataclass(
    frozen=True, kw_only=True, config=pydantic.ConfigDict(extra="forbid", arbitrary_types_allowed=True)
)
class Settings:
    """One campaign's checked settings: the root of the configuration, each group with its type, and what follows.

    With `smoke=true` groups and training are those that `greenkd.campaign.smoke.shrink` leaves. Where `config` says
    `per_seed`, groups and training hold the campaign's seed.

    Attributes:
        storage: URL of the database that holds the Optuna studies; None: a file in each campaign's folder.
        order: Whether the campaigns of a command run one after the other, or take turns; `auto` lets several strategies
            of one setting and seed take turns (`greenkd.sweep.order`).
        interleaving: What is measured of the machine where they take turns.
        logger: Settings of each logger, by name; empty: there are none.
        selection: What τ is chosen by: the validation split, or agreement with the teacher on held-out images of the
            pool.
        config: The resolved configuration in plain containers, as `config.yaml` keeps it.
        strategy: Built from the group `temperature`.
        campaign_id: Hash of what can change a result.
        setting_id: The same without strategy and seed.
        tau_source: The earlier search that `strategy` takes its τ from, once its records have been read.
    """

    dataset: ComponentConfig
    transfer: ComponentConfig
    teacher: ComponentConfig
    student: ComponentConfig
    objective: ComponentConfig
    temperature: ComponentConfig
    training: TrainingOptions
    energy: ComponentConfig
    sweep: _Text
    seed: _Seed
    selection: _Selection
    device: _Text
    threads: _Threads
    data_dir: _Place
    cache_dir: _Place
    storage: _Url
    retry: _Retry
    smoke: _Switch
    dry_run: _Switch
    estimate: _Switch
    budget: BudgetOptions
    order: _Order
    interleaving: Interleaving
    logger: Annotated[Mapping[str, Any], PlainValidator(lambda value: value)]
    config: Annotated[Mapping[str, Any], PlainValidator(lambda value: value)]
    strategy: Strategy
    campaign_id: str
    setting_id: str
    tau_source: TauSource | None = None

    def network(self, role: Literal["teacher", "student"]) -> ComponentConfig:
        """Returns the group of one of the two networks."""
        return self.teacher if role == "teacher" else self.student

    def build_transfer(self) -> Transfer | None:
        """Builds what says which images students see; None: the data set's."""
        return read_transfer(self.transfer)

    def of_another_seed(self, seed: int, config: Mapping[str, Any], identity: str) -> "Settings":
        """Returns the settings of a campaign that differs in its seed alone; there may be thousands of them.

        Args:
            seed: Its seed, which is checked; nothing is checked anew.
            config: Its configuration.
            identity: Its `campaign_id`.
        """
        other = copy.copy(self)
        vars(other).update(seed=seed, config=config, campaign_id=identity)
        return other

    @property
    def images_grow(self) -> bool:
        """Whether every trial sees images of its own, which come while it trains."""
        return bool((transfer := self.build_transfer()) and transfer.is_adversarial)

    def place_trials(self, trials: int, device: torch.device, *, one_at_a_time: bool = False) -> Placement:
        """Divides the campaign's trials among processes and devices.

        In detection the teacher's pass dominates a step, so in lockstep all trials that are known beforehand share it;
        those that a search learns from are as few as elsewhere.

        Args:
            trials: How many there are.
            device: Where the campaign's own process trains.
            one_at_a_time: Whatever the settings say.
        """
        training = self.training
        known = len(self.strategy.queue()) if task_of(self.dataset.mapping) == "detection" else 0
        at_once = 1 if one_at_a_time else training.parallel_trials
        most_in_lockstep = max(known, LOCKSTEP_AUTO)
        return place_trials(at_once, training.parallel_mode, trials, device, self.threads, most_in_lockstep)

    def build_objective(self) -> Objective:
        """Builds the objective; each trial needs its own, since some objectives learn."""
        return build(self.objective.without_name(), where="objective", expect=Objective)  # type: ignore[type-abstract]
