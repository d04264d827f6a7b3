"""Planted campaigns: what a sweep in a test is made of."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

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


def standard_plans(
    *,
    seeds: Sequence[int] = (0, 1, 2),
    taus: Sequence[float] = tuple(range(2, 21)),
    grid: Callable[[float], float] = lambda tau: 0.90 - 0.001 * abs(tau - 8),
    stochastic: float = 0.90,
    noise: float = 0.004,
    seed_noise: float = 0.004,
    salt: int = 0,
    search: int = 0,
    **common: Any,
) -> list[Plan]:
    """Grid and stochastic (and a search of `search` trials) over seeds.

    `grid` maps τ to the true accuracy, `stochastic` is the stochastic student's; validation and test
    accuracies are that plus the seed's own effect (shared by all strategies) plus independent noise.
    """
    plans = []
    for seed in seeds:
        generator = np.random.default_rng([salt, seed])
        shared = generator.normal(0, seed_noise)

        def trial(
            tau: float | None, truth: float, generator: np.random.Generator = generator, shared: float = shared
        ) -> Trial:
            student = truth + shared + generator.normal(0, noise)  # the student itself; the sets' sampling comes on top
            val, test = student + generator.normal(0, noise / 2, 2)
            return Trial(tau=tau, val_score=float(val), val_loss=float(1 - val), test_score=float(test))

        plans.append(
            Plan(
                strategy="grid",
                kind=StrategyKind.GRID,
                seed=seed,
                trials=[trial(float(tau), grid(tau)) for tau in taus],
                temperature={"name": "grid", "taus": list(taus)},
                **common,
            )
        )
        plans.append(
            Plan(
                strategy="stochastic",
                kind=StrategyKind.STOCHASTIC,
                seed=seed,
                trials=[trial(None, stochastic)],
                temperature={"name": "stochastic", "low": 2, "high": 20, "distribution": "uniform_int"},
                **(common | ({"steps": 20} if common.get("epochs") else {})),
            )
        )
        if search:
            picks = generator.uniform(2, 20, search)
            plans.append(
                Plan(
                    strategy="optuna",
                    kind=StrategyKind.SEARCH,
                    seed=seed,
                    trials=[trial(float(tau), grid(tau)) for tau in picks],
                    temperature={"name": "optuna", "sampler": "tpe"},
                    overhead_s=3.0,
                    **common,
                )
            )
    return plans
