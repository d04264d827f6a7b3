"""What a command line will cost, before it is spent."""

import dataclasses
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path

import optuna
import torch

from greenkd.campaign.settings import Settings
from greenkd.energy import open_monitor, read_config
from greenkd.energy.row_builder import CarbonTerms
from greenkd.estimate.plan import LEDGER, PlannedCampaign, Planner
from greenkd.estimate.power import Power
from greenkd.estimate.rates import Rates
from greenkd.estimate.settlement import ESTIMATE_FILE
from greenkd.estimate.stopwatch import NO_WORK, Work
from greenkd.identity import sweep_folder
from greenkd.records import CostEstimate, EstimateRecord, write_estimate
from greenkd.records.timestamps import now
from greenkd.training.backend.device import resolve_device
from greenkd.training.stop_signals import StopFlag

# How far the start of a process lies from one time to the next.
_START_RANGE = (0.9, 1.1)


@dataclasses.dataclass
class _CostSum:
    """A sum of work with its energy, None where a part is unknown, and the range of its CPU seconds."""

    work: Work = NO_WORK
    energy_kwh: float | None = 0.0
    low_cpu_s: float = 0.0
    high_cpu_s: float = 0.0

    def add(self, work: Work, low: float, high: float, power: Power) -> None:
        """Adds work; `low` and `high` are factors to its CPU seconds."""
        self.join(_CostSum(work, power.energy_kwh(work), work.cpu_s * low, work.cpu_s * high))

    def add_at(self, work: Work, rates: Rates) -> None:
        """Adds work in the range and with the power of some rates."""
        self.add(work, rates.low, rates.high, rates.power)

    def join(self, other: "_CostSum") -> None:
        """Adds another sum."""
        self.work += other.work
        known = self.energy_kwh is not None and other.energy_kwh is not None
        self.energy_kwh = self.energy_kwh + other.energy_kwh if known else None  # type: ignore[operator]
        self.low_cpu_s += other.low_cpu_s
        self.high_cpu_s += other.high_cpu_s


def make_estimate(campaigns: Sequence[tuple[Settings, Path]], stop: StopFlag) -> EstimateRecord:
    """Estimates what is left of some campaigns, and keeps the estimate in the sweep's folder.

    Args:
        campaigns: Settings and folder of each; all of one sweep.
        stop: Asked between steps.

    Raises:
        GreenkdError: As for a campaign: a network that does not fit, missing data, no place to write to.
    """
    settings, folder = campaigns[0]
    sweep = sweep_folder(folder)
    device = resolve_device(settings.device)
    synchronize = partial(torch.cuda.synchronize, device) if device.type == "cuda" else None
    with open_monitor(
        settings.energy.mapping, campaign_id=settings.sweep, ledger=sweep / LEDGER, synchronize=synchronize
    ) as monitor:
        planner = Planner(monitor, device, stop, sweep)
        planned = planner.plan(campaigns)

    start = _CostSum()
    if planned:
        workers = sum(campaign.processes - 1 for campaign in planned)
        start.add(planner.start + planner.worker_start.times(workers), *_START_RANGE, planned[0].rates.power)

    record = _record(settings, planned, start, f"{monitor.meter.name} {monitor.meter.version}")
    write_estimate(sweep / ESTIMATE_FILE, record)
    return record


def _record(settings: Settings, planned: Sequence[PlannedCampaign], start: _CostSum, meter: str) -> EstimateRecord:
    """Adds up: a row for what is shared, a row for each strategy, the total, and one training of each seed alone."""
    _, terms, _ = read_config(settings.energy.mapping, "")

    shared = {"start-up": start, **_shared_costs(planned)}
    by_strategy: dict[str, list[PlannedCampaign]] = {}
    for campaign in planned:
        by_strategy.setdefault(campaign.settings.temperature.name, []).append(campaign)
    strategies = {
        name: _total(_campaign_costs(campaign, campaign.trials) for campaign in campaigns)
        for name, campaigns in by_strategy.items()
    }
    total = _total([*shared.values(), *strategies.values()])

    # One campaign of each setting and seed, and of that one training.
    singles = list({(campaign.settings.setting_id, campaign.settings.seed): campaign for campaign in planned}.values())
    single_costs = [_campaign_costs(campaign, 1) for campaign in singles]
    alone = _total([start, *_shared_costs(singles).values(), *single_costs])

    return EstimateRecord(
        sweep=settings.sweep,
        created_at=now("milliseconds"),
        campaign_ids=tuple(campaign.settings.campaign_id for campaign in planned),
        source="; ".join(dict.fromkeys(campaign.rates.source for campaign in planned)),
        meter=meter,
        rows=(
            *(_row(name, 0, 0, costs, terms) for name, costs in shared.items() if costs.work != NO_WORK),
            *(
                _row(name, len(campaigns), _trials(campaigns), strategies[name], terms)
                for name, campaigns in by_strategy.items()
            ),
        ),
        total=_row("total", len(planned), _trials(planned), total, terms),
        stochastic_alone=_row("stochastic alone", len(singles), len(singles), alone, terms),
    )


def _row(name: str, campaigns: int, trials: int, costs: _CostSum, terms: CarbonTerms) -> CostEstimate:
    energy_kwh, cpu_s = costs.energy_kwh, costs.work.cpu_s
    return CostEstimate(
        name=name,
        campaigns=campaigns,
        trials=trials,
        cpu_s=cpu_s,
        duration_s=costs.work.duration_s,
        energy_kwh=energy_kwh,
        co2eq_g=None if energy_kwh is None else energy_kwh * terms.pue * terms.intensity.g_per_kwh,
        low=costs.low_cpu_s / cpu_s if cpu_s else 1.0,
        high=costs.high_cpu_s / cpu_s if cpu_s else 1.0,
    )


def _trials(campaigns: Iterable[PlannedCampaign]) -> int:
    return sum(campaign.trials for campaign in campaigns)


def _total(parts: Iterable[_CostSum]) -> _CostSum:
    total = _CostSum()
    for part in parts:
        total.join(part)
    return total


def _shared_costs(planned: Iterable[PlannedCampaign]) -> dict[str, _CostSum]:
    """Returns the costs of teachers and logits, each counted once however many campaigns use it."""
    teachers, logits = _CostSum(), _CostSum()
    counted: set[str] = set()
    for campaign in planned:
        rates = campaign.rates
        if campaign.teacher is not None and campaign.teacher not in counted:
            teachers.add_at(rates.teacher, rates)
            counted.add(campaign.teacher)

        if campaign.logits is not None and campaign.logits[0] not in counted:
            key, missing = campaign.logits
            logits.add_at(rates.logits.times(missing), rates)
            counted.add(key)
    return {"teacher training": teachers, "teacher logits": logits}


def _campaign_costs(planned: PlannedCampaign, trials: int) -> _CostSum:
    """Returns what a campaign pays for itself: its set-up, its trials, its metered inference."""
    rates, settings = planned.rates, planned.settings
    costs = _CostSum()
    costs.add_at(rates.setup + rates.end, rates)

    # All but one of the trials might be pruned after their first epoch.
    epochs = settings.training.recipe.epochs
    prunes = not isinstance(settings.strategy.make_pruner(epochs), optuna.pruners.NopPruner)
    least = (1 + (trials - 1) / epochs) / max(trials, 1) if prunes and trials > 1 else 1.0

    # Several processes shorten the time, not the work.
    work = rates.trial.times(trials)
    trial_work = Work(work.cpu_s, work.duration_s / min(planned.processes, max(trials, 1)))
    costs.add(trial_work, rates.low * least, rates.high, rates.power)
    return costs
