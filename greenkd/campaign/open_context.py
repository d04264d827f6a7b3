"""From a campaign's settings and an open monitor to what its parts share."""

import torch

from greenkd.campaign.budget import Budget
from greenkd.campaign.console import Reporter
from greenkd.campaign.context import CampaignContext
from greenkd.campaign.environment import describe_environment
from greenkd.campaign.folder import CampaignFolder
from greenkd.campaign.run_log import RunLog
from greenkd.campaign.searched_settings import searched_values
from greenkd.campaign.settings import Settings
from greenkd.campaign.training_context import DataCache, open_training_context
from greenkd.data import data_record
from greenkd.energy import EnergyMonitor
from greenkd.identity import held_fixed
from greenkd.loggers import read_loggers
from greenkd.records import CampaignRecord, CampaignStatus
from greenkd.records.timestamps import now
from greenkd.temperature import tau_class
from greenkd.temperature.storage import check_shared_database
from greenkd.training.context import TrainingContext
from greenkd.training.stop_signals import StopFlag


def open_context(
    settings: Settings,
    folder: CampaignFolder,
    stop: StopFlag,
    reporter: Reporter,
    monitor: EnergyMonitor,
    data: DataCache,
    device: torch.device,
    *,
    processes: int,
) -> CampaignContext:
    """Loads the data and returns a campaign's context, with the record of a campaign that has not begun.

    Args:
        settings: What to run.
        folder: The campaign's.
        stop: Asked between steps.
        reporter: Told what happens.
        monitor: Open; this process's own.
        data: Keeps the data set for the campaign that follows.
        device: Where this process trains.
        processes: Trainings that run side by side.

    Raises:
        ConfigError: The budget limits what the meter does not measure.
        DataError: The data set is missing or damaged.
        StorageError: The shared database of the studies cannot be used.
    """
    if settings.storage is not None:
        check_shared_database(settings.storage)
    budget = Budget(settings.budget, folder.path, settings.cache_dir, monitor, processes)
    training = open_training_context(settings, device, monitor, stop, data, processes=processes)
    record = _new_record(settings, training)
    run_log = RunLog(read_loggers(settings.logger), folder.path, monitor)
    return CampaignContext(settings, folder, reporter, training, budget, record, run_log)


def _new_record(settings: Settings, training: TrainingContext) -> CampaignRecord:
    """Returns the record of a campaign that has not begun."""
    created_at = now()
    meter = training.monitor.meter
    data = training.data
    environment = describe_environment(training.device, f"{meter.name} {meter.version}")

    return CampaignRecord(
        campaign_id=settings.campaign_id,
        setting_id=settings.setting_id,
        sweep=settings.sweep,
        status=CampaignStatus.RUNNING,
        dataset=settings.dataset.name,
        teacher=settings.teacher.name,
        student=settings.student.name,
        objective=settings.objective.name,
        strategy=settings.temperature.name,
        kind=settings.strategy.family,
        tau_class=tau_class(settings.strategy),
        seed=settings.seed,
        planned_trials=settings.strategy.planned_trials(),
        student_network=None,
        teacher_result=None,
        chosen_trial=None,
        chosen_params=None,
        val_score=None,
        test_score=None,
        tests=(),
        logits_costs=None,
        data_fingerprint=data.dataset.fingerprint,
        environment=environment,
        created_at=created_at,
        updated_at=created_at,
        metric=data.task.metric.name,
        held_fixed=held_fixed(settings.config, settings.build_objective().teacher),
        transfer=settings.transfer.name,
        selection=settings.selection,
        searched=searched_values(settings.config, settings.strategy),
        tau_source=settings.tau_source,
        data=data_record(data.options, data.dataset),
    )
