"""Planted campaigns: what a sweep in a test is made of."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from greenkd import records
from greenkd.records import CampaignStatus, Source, StrategyKind, TrialStatus

WATTS = 100.0  # of the simulated device: energy is seconds × watts


@dataclasses.dataclass(frozen=True, kw_only=True)
class Trial:
    """One planted attempt. `seconds` of training and a tenth of it of validation."""

    tau: float | None = 4.0
    val_score: float | None = 0.9
    val_loss: float | None = 0.3
    test_score: float | None = 0.9
    test_loss: float = 0.4
    calibration_error: float | None = None
    status: TrialStatus | None = TrialStatus.COMPLETE  # None: killed, no row in trials.jsonl
    others: dict[str, Any] = dataclasses.field(default_factory=dict)  # values of settings searched besides τ
    seconds: float = 36.0
    trial: int | None = None  # None: its place in the list
    restart: int | None = None  # of the same training under another seed
    attempt: int = 0


@dataclasses.dataclass(frozen=True, kw_only=True)
class Plan:
    """One planted campaign."""

    strategy: str
    kind: StrategyKind
    seed: int
    trials: Sequence[Trial]
    planned: int | None = None
    overhead_s: float = 0.0
    status: CampaignStatus = CampaignStatus.DONE
    temperature: dict[str, Any] | None = None
    meter: str = "simulated 1"
    method: str = "simulated"
    dataset: str = "digits"
    teacher: str = "wide"
    student: str = "narrow"
    objective: str = "kd"
    metric: str = "accuracy"
    setting_id: str = "5e771d"
    intensity: float | None = 56.0
    pue: float = 1.0
    watts: float | None = WATTS
    source: Source = Source.SIMULATED  # of these watts; MODELLED ones are of CPU seconds, of which a second has two
    ram_watts: float = 0.0  # a constant that comes on top
    start_s: float = 0.0  # the campaign's share of its command's start
    logits_metered_by: tuple[str, ...] | None = None
    logits: records.Costs | None = None
    epochs: int = 0
    steps: int = 0
    tested: bool = True
    heartbeats: int = 1
    searched: dict[str, Any] = dataclasses.field(default_factory=dict)  # besides τ, with the configuration's values
    tau_source: records.TauSource | None = None


def grid(seed: int, *trials: Trial, **more: object) -> Plan:
    return Plan(strategy="grid", kind=StrategyKind.GRID, seed=seed, trials=trials, **more)  # type: ignore[arg-type]


def stochastic(seed: int, **more: object) -> Plan:
    trials = [Trial(tau=None, val_score=0.91, test_score=0.90)]
    return Plan(strategy="stochastic", kind=StrategyKind.STOCHASTIC, seed=seed, trials=trials, **more)  # type: ignore[arg-type]


def fixed(seed: int, tau: float, val: float = 0.9, test: float = 0.9, **more: object) -> Plan:
    trials = [Trial(tau=tau, val_score=val, test_score=test)]
    return Plan(strategy="fixed", kind=StrategyKind.FIXED, seed=seed, trials=trials, **more)  # type: ignore[arg-type]


GRID = (Trial(tau=2, val_score=0.92, test_score=0.80), Trial(tau=4, val_score=0.90, test_score=0.95))
