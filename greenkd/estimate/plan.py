"""What an estimate adds up: the campaigns that are still to be run, their rates, and what they share."""

import dataclasses
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from greenkd.campaign.environment import describe_environment
from greenkd.campaign.late_imports import load
from greenkd.campaign.progress import CampaignState, read_state
from greenkd.campaign.settings import Settings
from greenkd.campaign.teacher import stream_key
from greenkd.campaign.training_context import DataCache, open_training_context
from greenkd.campaign.workers.fork_server import can_fork
from greenkd.energy import EnergyMonitor
from greenkd.energy.unmetered import since_process_start
from greenkd.estimate.calibration import Calibrator
from greenkd.estimate.earlier_campaigns import from_records
from greenkd.estimate.flops import PlannedFlops, planned_flops
from greenkd.estimate.rates import Rates, from_calibration
from greenkd.estimate.stopwatch import NO_WORK, Work
from greenkd.estimate.synthesis import planned_pool, stand_in_data
from greenkd.records import Environment, LedgerRow, TrialRow, TrialStatus, read_rows
from greenkd.teacher.cache import teacher_key
from greenkd.training.context import TrainingContext
from greenkd.training.stop_signals import StopFlag

LEDGER = "calibration.jsonl"


@dataclasses.dataclass(frozen=True)
class PlannedCampaign:
    """One campaign to be run, and what it shares with others.

    Attributes:
        settings: The campaign's.
        trial_seeds: The seed of each trial that is still to be run; those of one seed share the teacher's logits.
        rates: What its pieces cost.
        flops: Of its pieces.
        processes: How many run its trials at the same time.
        together: Trials that each of them trains in lockstep.
        teacher: Key of its teacher, if that is still to be trained.
        pool: Key of the images that its students see, if they are still to be made.
        logits: For each seed, its own first, the name of the folder of the teacher's stored logits, and the share of
            them that is missing; empty where none are stored.
    """

    settings: Settings
    trial_seeds: tuple[int, ...]
    rates: Rates
    flops: PlannedFlops
    processes: int
    together: int
    teacher: str | None
    pool: str | None
    logits: tuple[tuple[str, float], ...]

    @property
    def trials(self) -> int:
        """How many trials are still to be run."""
        return len(self.trial_seeds)


class Planner:
    """Looks up or times what is needed to estimate campaigns of one sweep.

    Args:
        monitor: Open; records what the timing takes.
        device: Where the campaigns train.
        stop: Asked between steps.
        sweep: The sweep's folder.

    Attributes:
        start: What the command's own start takes, its data sets included.
    """

    def __init__(self, monitor: EnergyMonitor, device: torch.device, stop: StopFlag, sweep: Path) -> None:
        self._monitor = monitor
        self._device = device
        self._stop = stop
        self._sweep = sweep
        self._contexts: dict[str, TrainingContext] = {}
        self._rates: dict[str, Rates] = {}
        self._flops: dict[str, PlannedFlops] = {}
        self._inherited = NO_WORK
        self.start = NO_WORK

    @property
    def worker_start(self) -> Work:
        """What the start of one worker takes, averaged over the data sets."""
        start, inherited = self.start, self._inherited
        not_inherited = Work(start.cpu_s - inherited.cpu_s, start.duration_s - inherited.duration_s)
        return not_inherited.times(1 / max(len(self._contexts), 1))

    def plan(self, campaigns: Sequence[tuple[Settings, Path]]) -> list[PlannedCampaign]:
        """Returns those campaigns that have something left, in order.

        Raises:
            GreenkdError: As for a campaign: a network that does not fit, missing data, no place to write to.
        """
        here = describe_environment(self._device, f"{self._monitor.meter.name} {self._monitor.meter.version}")

        planned: list[PlannedCampaign] = []
        for settings, folder in campaigns:
            state = read_state(settings, folder)
            if state.state != "done":
                context = self._context(settings)
                seeds = _seeds_to_come(settings, state, folder)
                planned.append(self._planned(settings, state, seeds, self._rates_of(settings, context, here)))
        return planned

    def _context(self, settings: Settings) -> TrainingContext:
        """Loads a campaign's data set, once for all campaigns that use it, and adds the time it takes to the start."""
        data = repr((settings.dataset.mapping, settings.smoke))
        if data not in self._contexts:
            before = _since_start()
            if not self._contexts:
                before = NO_WORK
                load()
                # A forked worker need not load it again.
                self._inherited = _since_start() if can_fork(self._device.type) else NO_WORK
            context = self._contexts[data] = open_training_context(
                settings, self._device, self._monitor, self._stop, DataCache()
            )
            if not self._rates:
                with tempfile.TemporaryDirectory(prefix="greenkd-") as scratch:
                    Calibrator(settings, context, Path(scratch)).warm_up()

            after = _since_start()
            self.start += Work(after.cpu_s - before.cpu_s, after.duration_s - before.duration_s)
        return self._contexts[data]

    def _rates_of(self, settings: Settings, context: TrainingContext, here: Environment) -> Rates:
        """Reads the rates of a setting off earlier campaigns, or times them; once for each setting."""
        if settings.setting_id not in self._rates:
            rates = from_records(settings, context, self._sweep.parent, here)
            if rates is None:
                with tempfile.TemporaryDirectory(prefix="greenkd-") as scratch:
                    calibration = Calibrator(settings, context, Path(scratch)).run()
                self._monitor.flush()
                rows = [row for row in read_rows(self._sweep / LEDGER, LedgerRow).rows if row.pid == os.getpid()]
                rates = from_calibration(calibration, settings, context, rows)

            self._rates[settings.setting_id] = rates
        return self._rates[settings.setting_id]

    def _planned(
        self, settings: Settings, state: CampaignState, trial_seeds: tuple[int, ...], rates: Rates
    ) -> PlannedCampaign:
        context = self._context(settings)
        placement = settings.place_trials(state.planned, self._device)
        in_turns = settings.order == "interleaved"
        teacher = _teacher(settings, context)
        pool = planned_pool(settings, context, teacher)
        if settings.setting_id not in self._flops:
            self._flops[settings.setting_id] = planned_flops(settings, context)

        return PlannedCampaign(
            settings=settings,
            trial_seeds=trial_seeds,
            rates=rates,
            flops=self._flops[settings.setting_id],
            processes=1 if in_turns else max(1, min(placement.processes, len(trial_seeds))),
            together=1 if in_turns else placement.together,
            teacher=None if teacher is None or _is_trained(settings, teacher) else teacher,
            pool=None if pool is None or not pool[1] else pool[0],
            logits=_logits(settings, context, teacher, pool[0] if pool else None, trial_seeds),
        )


def _since_start() -> Work:
    elapsed = since_process_start()
    return Work(elapsed.cpu_s, elapsed.duration_s)


def _teacher(settings: Settings, context: TrainingContext) -> str | None:
    """Returns the key of a campaign's teacher; None where it needs none, or its weights are given."""
    source = settings.build_objective().teacher
    if source is None:
        return None

    network = settings.network(source).mapping
    if network.get("weights"):
        return None
    training = settings.training
    return teacher_key(context, network, source, training.teacher_recipe(), training.teacher.seed)


def _is_trained(settings: Settings, key: str) -> bool:
    return (settings.cache_dir / "teachers" / key / "teacher.json").exists()


def _seeds_to_come(settings: Settings, state: CampaignState, folder: Path) -> tuple[int, ...]:
    """Returns the seed of each trial that is still to be run; a sampler's proposals have the campaign's."""
    queue = settings.strategy.queue()
    if not queue:
        return (settings.seed,) * (state.planned - state.ended)

    status = {row.trial: row.status for row in read_rows(folder / "trials.jsonl", TrialRow).rows}
    to_come = [n for n in range(len(queue)) if not status.get(n, TrialStatus.INTERRUPTED).has_ended]
    return tuple(settings.strategy.trial_seed(settings.seed, queue[number]) for number in to_come)


def _logits(
    settings: Settings, context: TrainingContext, teacher: str | None, pool: str | None, trial_seeds: Sequence[int]
) -> tuple[tuple[str, float], ...]:
    """Returns, for each seed, the name of the folder of its stored logits and the share of epochs that is missing."""
    if settings.build_objective().teacher is None or not settings.training.bank or settings.images_grow:
        return ()

    key_of_teacher = teacher or f"given {settings.teacher.mapping.get('weights')}"
    data = context.data if pool is None else stand_in_data(settings, context.data, pool)
    students = dataclasses.replace(context, data=data)
    epochs = settings.training.recipe.epochs
    streams = []
    for seed in dict.fromkeys(trial_seeds):
        key = stream_key(settings, students, key_of_teacher, seed)
        files = (settings.cache_dir / "logits" / key).glob("epoch_*.safetensors")
        stored = len({file.name.split("_")[1][:4] for file in files})
        streams.append((key, 1 - min(stored, epochs) / epochs))
    return tuple(streams)
