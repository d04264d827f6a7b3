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
from greenkd.estimate.rates import Rates
from greenkd.estimate.settlement import ESTIMATE_FILE
from greenkd.estimate.stopwatch import NO_WORK, Work
from greenkd.identity import sweep_folder
from greenkd.records import CostEstimate, EstimateRecord, write_estimate
from greenkd.records.timestamps import now
from greenkd.temperature import total_epochs
from greenkd.training.backend.device import resolve_device
from greenkd.training.stop_signals import StopFlag

# How far the start of a process lies from one time to the next.
_START_RANGE = (0.9, 1.1)


@dataclasses.dataclass
class _CostSum:
    """A sum of work, with the range that it may lie in and its energy, which is None where a part is unknown."""

    work: Work = NO_WORK
    low: Work = NO_WORK
    high: Work = NO_WORK
    energy_kwh: float | None = 0.0
    low_kwh: float | None = 0.0
    high_kwh: float | None = 0.0
    flops: float = 0.0

    def add(self, work: Work, rates: Rates, *, low: float | None = None, high: float | None = None) -> None:
        """Adds work, with the power of some rates and in their range; `low` and `high` are other factors to its CPU s.

        What shortens the work shortens its time alike.
        """
        low, high = low or rates.low, high or rates.high
        least = Work(work.cpu_s * low, work.duration_s * low * rates.wall.low)
        most = Work(work.cpu_s * high, work.duration_s * high * rates.wall.high)

        low_kwh, high_kwh = rates.power.range_kwh(least, most) or (None, None)
        self.join(_CostSum(work, least, most, rates.power.energy_kwh(work), low_kwh, high_kwh))

    def join(self, other: "_CostSum") -> None:
        """Adds another sum."""
        self.work += other.work
        self.low += other.low
        self.high += other.high
        self.energy_kwh = _sum(self.energy_kwh, other.energy_kwh)
        self.low_kwh = _sum(self.low_kwh, other.low_kwh)
        self.high_kwh = _sum(self.high_kwh, other.high_kwh)
        self.flops += other.flops


def _sum(first: float | None, second: float | None) -> float | None:
    return None if first is None or second is None else first + second


def make_estimate(
    campaigns: Sequence[tuple[Settings, Path]], stop: StopFlag, composing_cpu_s: float = 0.0
) -> EstimateRecord:
    """Estimates what is left of some campaigns, and keeps the estimate in the sweep's folder.

    Args:
        campaigns: Settings and folder of each; all of one sweep.
        stop: Asked between steps.
        composing_cpu_s: CPU seconds that Hydra takes to compose one; it composes each anew before it runs.

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
        low, high = _START_RANGE
        composing = Work(composing_cpu_s, composing_cpu_s).times(len(planned))
        start_work = planner.start + composing + planner.worker_start.times(workers)
        start.add(start_work, planned[0].rates, low=low, high=high)

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
        name: _total(_campaign_costs(campaign) for campaign in campaigns) for name, campaigns in by_strategy.items()
    }
    total = _total([*shared.values(), *strategies.values()])

    # One campaign of each setting and seed, and of that one training.
    first = {(campaign.settings.setting_id, campaign.settings.seed): campaign for campaign in planned}
    singles = [
        dataclasses.replace(campaign, trial_seeds=(seed,), logits=campaign.logits[:1])
        for (_, seed), campaign in first.items()
    ]
    single_costs = [_campaign_costs(campaign) for campaign in singles]
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
        low=costs.low.cpu_s / cpu_s if cpu_s else 1.0,
        high=costs.high.cpu_s / cpu_s if cpu_s else 1.0,
        flops=costs.flops,
        duration_low_s=costs.low.duration_s,
        duration_high_s=costs.high.duration_s,
        energy_low_kwh=costs.low_kwh,
        energy_high_kwh=costs.high_kwh,
    )


def _trials(campaigns: Iterable[PlannedCampaign]) -> int:
    return sum(campaign.trials for campaign in campaigns)


def _total(parts: Iterable[_CostSum]) -> _CostSum:
    total = _CostSum()
    for part in parts:
        total.join(part)
    return total


def _shared_costs(planned: Iterable[PlannedCampaign]) -> dict[str, _CostSum]:
    """Returns the costs of teachers, pools and logits, each counted once however many campaigns use it."""
    teachers, pools, logits = _CostSum(), _CostSum(), _CostSum()
    counted: set[str] = set()
    for campaign in planned:
        rates = campaign.rates
        if campaign.teacher is not None and campaign.teacher not in counted:
            teachers.add(rates.teacher, rates)
            teachers.flops += campaign.flops.teacher
            counted.add(campaign.teacher)

        if campaign.pool is not None and campaign.pool not in counted:
            pools.add(rates.synthesis, rates)
            pools.flops += campaign.flops.synthesis
            counted.add(campaign.pool)

        for key, missing in campaign.logits:
            if key in counted:
                continue
            logits.add(rates.logits.times(missing), rates)
            logits.flops += campaign.flops.logits * missing
            counted.add(key)
    return {"teacher training": teachers, "images": pools, "teacher logits": logits}


def _campaign_costs(planned: PlannedCampaign) -> _CostSum:
    """Returns what a campaign pays for itself: its set-up, its trials, its metered inference."""
    rates, settings, trials = planned.rates, planned.settings, planned.trials
    epochs, strategy = settings.training.recipe.epochs, settings.strategy
    share = total_epochs(strategy.rungs(epochs)) / (strategy.planned_trials() * epochs)  # less than 1 with rungs
    costs = _CostSum(flops=planned.flops.trials(planned.trial_seeds, planned.together) * share)
    costs.add(rates.setup + rates.end, rates)

    # All but one of the trials might be pruned after their first epoch.
    prunes = not isinstance(strategy.make_pruner(epochs), optuna.pruners.NopPruner)
    least = (1 + (trials - 1) / epochs) / max(trials, 1) if prunes and trials > 1 else 1.0

    # Several processes shorten the time, not the work; they end with as many rounds as the busiest has trials.
    rounds = -(-trials // planned.processes)
    trial_work = Work(rates.trial.cpu_s * trials, rates.trial.duration_s * rounds).times(share)
    costs.add(trial_work, rates, low=rates.low * least)
    return costs
