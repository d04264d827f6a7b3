"""What a command line will cost, before it is spent."""

import dataclasses
import os
import tempfile
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import optuna
import torch

from greenkd.campaign import open_bench, stream_key
from greenkd.campaign.environment import describe_environment
from greenkd.campaign.progress import read_state
from greenkd.campaign.settings import Settings
from greenkd.campaign.workers.fork_server import can_fork, load
from greenkd.energy import EnergyMonitor, open_monitor, read_config
from greenkd.energy.unmetered import since_process_start
from greenkd.estimate.calibration import Calibrator
from greenkd.estimate.outcome import FILE
from greenkd.estimate.rates import Power, Rates, from_calibration, from_records
from greenkd.estimate.stopwatch import NO_WORK, Work
from greenkd.records import (
    CostEstimate,
    EstimateRecord,
    LedgerRow,
    read_rows,
    write_estimate,
)
from greenkd.teacher.cache import teacher_key
from greenkd.training.backend.device import resolve_device
from greenkd.training.backend.placement import side_by_side
from greenkd.training.bench import Bench
from greenkd.training.stop_signals import StopFlag

LEDGER = "calibration.jsonl"


@dataclasses.dataclass(frozen=True)
class _Planned:
    """One campaign to be run, and what it shares with others."""

    settings: Settings
    trials: int  # still to be run
    rates: Rates
    processes: int
    teacher: str | None  # its key, if it has to be trained
    logits: tuple[str, float] | None  # the bank's folder, and the part of it that is missing


@dataclasses.dataclass
class _Sum:
    """A sum of work, and its range."""

    work: Work = NO_WORK
    energy_kwh: float | None = 0.0
    low_cpu_s: float = 0.0
    high_cpu_s: float = 0.0

    def add(self, work: Work, low: float, high: float, power: Power) -> None:
        part = power.energy_kwh(work)
        self.join(_Sum(work, part, work.cpu_s * low, work.cpu_s * high))

    def join(self, other: "_Sum") -> None:
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
    first, folder = campaigns[0]
    sweep = folder.parents[4]
    device = resolve_device(str(first.config["device"]))
    synchronize = partial(torch.cuda.synchronize, device) if device.type == "cuda" else None
    with open_monitor(
        first.config["energy"], campaign_id=str(first.config["sweep"]), ledger=sweep / LEDGER, synchronize=synchronize
    ) as monitor:
        planned, started, helper = _plan(campaigns, monitor, device, stop, sweep)
    start = _Sum()
    if planned:
        helpers = sum(each.processes - 1 for each in planned)
        start.add(started + helper.times(helpers), 0.9, 1.1, planned[0].rates.power)
    record = _record(campaigns, planned, start, f"{monitor.meter.name} {monitor.meter.version}")
    write_estimate(sweep / FILE, record)
    return record


def _plan(
    campaigns: Sequence[tuple[Settings, Path]],
    monitor: EnergyMonitor,
    device: torch.device,
    stop: StopFlag,
    sweep: Path,
) -> tuple[list[_Planned], Work, Work]:
    """Times what is not known yet.

    Returns:
        The campaigns that have something left, what the command's start takes, and what a helper's does.
    """
    planned: list[_Planned] = []
    known: dict[str, Rates] = {}
    benches: dict[str, Bench] = {}
    start = NO_WORK
    load()
    loaded = _now() if can_fork(device.type) else NO_WORK  # a forked helper need not load it again
    here = describe_environment(device, f"{monitor.meter.name} {monitor.meter.version}")
    for settings, folder in campaigns:
        state = read_state(settings, folder)
        if state.state == "done":
            continue
        data = repr((settings.config["dataset"], settings.smoke))
        if data not in benches:
            before = _now() if benches else NO_WORK
            benches[data] = open_bench(settings, device, monitor, stop)
            if not known:
                with tempfile.TemporaryDirectory(prefix="greenkd-") as scratch:
                    Calibrator(settings, benches[data], Path(scratch)).warm_up()
            after = _now()
            start += Work(after.cpu_s - before.cpu_s, after.duration_s - before.duration_s)
        bench = benches[data]
        if settings.setting_id not in known:
            rates = from_records(settings, sweep.parent, here)
            if rates is None:
                with tempfile.TemporaryDirectory(prefix="greenkd-") as scratch:
                    calibration = Calibrator(settings, bench, Path(scratch)).run()
                monitor.flush()
                booked = [row for row in read_rows(sweep / LEDGER, LedgerRow).rows if row.pid == os.getpid()]
                rates = from_calibration(calibration, settings, bench, booked)
            known[settings.setting_id] = rates
        training, trials = settings.training, settings.strategy.planned_trials()
        processes = side_by_side(training.parallel_trials, training.parallel_mode, trials, device).processes
        teacher = _teacher(settings, bench)
        planned.append(
            _Planned(
                settings,
                state.planned - state.over,
                known[settings.setting_id],
                1 if settings.interleaving else max(1, min(processes, state.planned - state.over)),
                teacher if teacher is not None and not _is_trained(settings, teacher) else None,
                _logits(settings, bench, teacher),
            )
        )
    helper = Work(start.cpu_s - loaded.cpu_s, start.duration_s - loaded.duration_s)
    return planned, start, helper.times(1 / max(len(benches), 1))


def _now() -> Work:
    taken = since_process_start()
    return Work(taken.cpu_s, taken.duration_s)


def _teacher(settings: Settings, bench: Bench) -> str | None:
    source = settings.build_objective().teacher
    if source is None or settings.config[source].get("weights"):
        return None
    training = settings.training
    return teacher_key(bench, settings.config[source], training.teacher_recipe(), training.teacher.seed)


def _is_trained(settings: Settings, key: str) -> bool:
    return (settings.cache_dir / "teachers" / key / "teacher.json").exists()


def _logits(settings: Settings, bench: Bench, teacher: str | None) -> tuple[str, float] | None:
    if settings.build_objective().teacher is None or not settings.training.bank:
        return None
    key = stream_key(settings, bench, teacher or f"given {settings.config['teacher'].get('weights')}")
    epochs = settings.training.recipe.epochs
    files = (settings.cache_dir / "logits" / key).glob("epoch_*.safetensors")
    return key, 1 - min(len({file.name.split("_")[1][:4] for file in files}), epochs) / epochs


def _record(
    campaigns: Sequence[tuple[Settings, Path]], planned: Sequence[_Planned], start: _Sum, meter: str
) -> EstimateRecord:
    first = campaigns[0][0]
    terms = read_config(first.config["energy"], "")[1]

    def row(name: str, number: int, trials: int, total: _Sum) -> CostEstimate:
        energy_kwh = total.energy_kwh
        grams = None if energy_kwh is None else energy_kwh * terms.pue * terms.intensity.g_per_kwh
        cpu_s = total.work.cpu_s
        return CostEstimate(
            name=name,
            campaigns=number,
            trials=trials,
            cpu_s=cpu_s,
            duration_s=total.work.duration_s,
            energy_kwh=energy_kwh,
            co2eq_g=grams,
            low=total.low_cpu_s / cpu_s if cpu_s else 1.0,
            high=total.high_cpu_s / cpu_s if cpu_s else 1.0,
        )

    shared = {"start-up": start} | _shared(planned)
    own: dict[str, _Sum] = {}
    for each in planned:
        own.setdefault(each.settings.name("temperature"), _Sum()).join(_campaign(each, each.trials))
    total = _Sum()
    for part in (*shared.values(), *own.values()):
        total.join(part)
    singles = list({(each.settings.setting_id, each.settings.seed): each for each in planned}.values())
    alone = _Sum()
    for part in (*({"start-up": start} | _shared(singles)).values(), *(_campaign(each, 1) for each in singles)):
        alone.join(part)

    def count(name: str) -> tuple[int, int]:
        mine = [each.trials for each in planned if each.settings.name("temperature") == name]
        return len(mine), sum(mine)

    everything = sum(each.trials for each in planned)
    return EstimateRecord(
        sweep=str(first.config["sweep"]),
        created_at=datetime.now(UTC).isoformat(timespec="milliseconds"),
        campaign_ids=tuple(each.settings.campaign_id for each in planned),
        source="; ".join(dict.fromkeys(each.rates.source for each in planned)),
        meter=meter,
        rows=(
            *(row(name, 0, 0, part) for name, part in shared.items() if part.work != NO_WORK),
            *(row(name, *count(name), part) for name, part in own.items()),
        ),
        total=row("total", len(planned), everything, total),
        stochastic_alone=row("stochastic alone", len(singles), len(singles), alone),
    )


def _shared(planned: Iterable[_Planned]) -> dict[str, _Sum]:
    """Teachers and logits, each paid once however many campaigns use them."""
    teachers, logits = _Sum(), _Sum()
    paid: set[str] = set()
    for each in planned:
        rates = each.rates
        if each.teacher is not None and each.teacher not in paid:
            teachers.add(rates.teacher, rates.low, rates.high, rates.power)
            paid.add(each.teacher)
        if each.logits is not None and each.logits[0] not in paid:
            logits.add(rates.logits.times(each.logits[1]), rates.low, rates.high, rates.power)
            paid.add(each.logits[0])
    return {"teacher training": teachers, "teacher logits": logits}


def _campaign(planned: _Planned, trials: int) -> _Sum:
    rates, settings = planned.rates, planned.settings
    total = _Sum()
    total.add(rates.setup + rates.end, rates.low, rates.high, rates.power)
    epochs = settings.training.recipe.epochs
    prunes = not isinstance(settings.strategy.make_pruner(epochs), optuna.pruners.NopPruner)
    # All but one of the trials might be pruned after their first epoch.
    least = (1 + (trials - 1) / epochs) / max(trials, 1) if prunes and trials > 1 else 1.0
    work = rates.trial.times(trials)
    side_by_side = Work(work.cpu_s, work.duration_s / min(planned.processes, max(trials, 1)))
    total.add(side_by_side, rates.low * least, rates.high, rates.power)
    return total
