"""The trials that one worker runs, beside the process that began the campaign and will finish it."""

from collections.abc import Mapping
from pathlib import Path

from greenkd.campaign.console import Reporter
from greenkd.campaign.folder import CampaignFolder
from greenkd.campaign.open_context import open_context
from greenkd.campaign.settings import Settings
from greenkd.campaign.teacher import load_or_train_teacher, make_teacher_source
from greenkd.campaign.training_context import DataCache
from greenkd.campaign.trial_queue import TrialQueue
from greenkd.campaign.trials import TrialRunner
from greenkd.collector import collect_normally
from greenkd.energy import EnergyMonitor
from greenkd.energy.flops import Flops
from greenkd.training.backend.device import resolve_device
from greenkd.training.backend.placement import place_trials
from greenkd.training.stop_signals import StopFlag


def run_worker(
    settings: Settings,
    folder: Path,
    stop: StopFlag,
    reporter: Reporter,
    monitor: EnergyMonitor,
    counted_flops: Mapping[str, Flops],
) -> None:
    """Runs trials of a campaign that another process has begun and will finish, until none is free.

    Args:
        settings: What to run.
        folder: The campaign's folder.
        stop: Asked between steps.
        reporter: Told of trials.
        monitor: Open; this process's own.
        counted_flops: FLOPs by architecture, as the other process has counted them.

    Raises:
        GreenkdError: As for `run_campaign`.
    """
    device = resolve_device(settings.device)
    training, planned = settings.training, settings.strategy.planned_trials()
    placement = place_trials(training.parallel_trials, training.parallel_mode, planned, device)
    context = open_context(
        settings,
        CampaignFolder(folder, settings),
        stop,
        reporter,
        monitor,
        DataCache(),
        device,
        processes=placement.processes,
    )
    context.training.networks.take_counts(counted_flops)

    outputs = make_teacher_source(context, load_or_train_teacher(context))
    queue = TrialQueue(context, TrialRunner(context, outputs), placement.together)
    collect_normally()

    while queue.run_next():
        pass
