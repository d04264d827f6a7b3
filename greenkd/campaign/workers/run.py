"""The trials that one worker runs, beside the process that began the campaign and will finish it."""

import contextlib
import threading
from collections.abc import Mapping
from multiprocessing.connection import Connection
from pathlib import Path

from greenkd.campaign.console import Reporter
from greenkd.campaign.folder import CampaignFolder
from greenkd.campaign.open_context import open_context
from greenkd.campaign.settings import Settings
from greenkd.campaign.teacher import load_or_train_teacher, make_teacher_source
from greenkd.campaign.training_context import DataCache
from greenkd.campaign.transfer import use_pool
from greenkd.campaign.trial_queue import TrialQueue
from greenkd.campaign.trials import TrialRunner
from greenkd.collector import collect_normally
from greenkd.energy import EnergyMonitor
from greenkd.energy.flops import Flops
from greenkd.energy.unmetered import take_over
from greenkd.errors import TrainingInterruptedError
from greenkd.records import EpochRow, Phase, TrialRow
from greenkd.training.backend.device import resolve_device
from greenkd.training.stop_signals import StopFlag, stop_on_signals


class _TrialSender(Reporter):
    """Leaves the talking to the campaign's process, and sends it the trials that have ended."""

    def __init__(self, pipe: Connection) -> None:
        super().__init__()
        self._pipe = pipe

    def note(self, text: str) -> None:
        """Says nothing: the campaign's process has come to the same conclusion."""

    def epoch_finished(self, row: EpochRow) -> None:
        """Says nothing: workers side by side would talk all the time."""

    def trial_finished(self, row: TrialRow) -> None:
        """Passes a trial on."""
        self._pipe.send(("trial", row))


def run_worker_over(from_campaign: Connection, to_campaign: Connection, folder: Path, monitor: EnergyMonitor) -> None:
    """Waits for the campaign's settings, then runs trials until none is free or the campaign's process has gone.

    Args:
        from_campaign: Brings settings and counted FLOPs; that it closes means to stop.
        to_campaign: Takes the rows of ended trials.
        folder: The campaign's folder.
        monitor: Open; this process's own.
    """
    with monitor.phase(Phase.START_UP):
        settings, counted_flops, start_up = from_campaign.recv()
        take_over(start_up)
    with stop_on_signals() as stop:

        def stop_when_it_closes() -> None:
            with contextlib.suppress(EOFError, OSError):
                from_campaign.recv()
            stop.set("the end of the campaign's process")

        threading.Thread(target=stop_when_it_closes, daemon=True).start()
        with contextlib.suppress(TrainingInterruptedError):
            run_worker(settings, folder, stop, _TrialSender(to_campaign), monitor, counted_flops)


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
    with monitor.phase(Phase.START_UP):
        device = resolve_device(settings.device)
        placement = settings.place_trials(settings.strategy.planned_trials(), device)
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

        teacher = load_or_train_teacher(context)
        use_pool(context, teacher)
        outputs = make_teacher_source(context, teacher)
        context.update()  # networks and teacher, as the campaign's process put them on record
        queue = TrialQueue(context, TrialRunner(context, outputs), placement.together)
        collect_normally()

    while queue.run_next() or queue.wait_for_rung():
        pass
