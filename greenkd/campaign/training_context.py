"""From a campaign's settings to what its trainings share; a data set is loaded once for campaigns that follow."""

import dataclasses
import json

import torch

from greenkd.campaign.locks import open_locks
from greenkd.campaign.settings import Settings
from greenkd.data import AnyDataset, AnyOptions, load
from greenkd.energy import EnergyMonitor
from greenkd.tasks import make_task
from greenkd.training.backend.determinism import use_deterministic_kernels
from greenkd.training.backend.malloc import keep_freed_memory
from greenkd.training.context import TrainingContext
from greenkd.training.data_module import DataModule
from greenkd.training.network_factory import NetworkFactory
from greenkd.training.stop_signals import StopFlag

_SPLIT = "split_seed"


class DataCache:
    """The data set loaded last: campaigns of one command follow each other on the same one. One is kept at a time."""

    def __init__(self) -> None:
        self._key: str | None = None
        self._loaded: tuple[AnyOptions, AnyDataset] | None = None

    def load(self, settings: Settings) -> tuple[AnyOptions, AnyDataset]:
        """Returns a campaign's data set, read from disk only if the campaign before had another one.

        Raises:
            DataError: The data set is missing or damaged.
        """
        # The split may be another one for every seed; what is in memory does not depend on it.
        content = {key: value for key, value in settings.dataset.mapping.items() if key != _SPLIT}
        key = json.dumps([content, settings.smoke], sort_keys=True, default=str)
        if self._loaded is None or key != self._key:
            self._loaded = None  # frees the one before
            self._loaded = load(settings.dataset.mapping, smoke=settings.smoke)
            self._key = key

        options, dataset = self._loaded
        if _SPLIT in settings.dataset.mapping:
            options = dataclasses.replace(options, split_seed=settings.dataset.mapping[_SPLIT])
        return options, dataset


def open_training_context(
    settings: Settings,
    device: torch.device,
    monitor: EnergyMonitor,
    stop: StopFlag,
    data: DataCache,
    *,
    processes: int = 1,
) -> TrainingContext:
    """Loads the data and returns what every training of a campaign shares.

    Args:
        settings: The campaign's.
        device: Where it trains.
        monitor: Open.
        stop: Asked between steps, and between batches of an evaluation that takes long.
        data: Keeps the data set for the campaign that follows.
        processes: Trainings that run side by side.

    Raises:
        DataError: The data set is missing or damaged.
    """
    if device.type == "cpu":
        keep_freed_memory()
    else:
        use_deterministic_kernels(settings.training.deterministic)

    options, dataset = data.load(settings)
    task = make_task(dataset)
    return TrainingContext(
        data=DataModule(task, options, dataset, device, stop),
        networks=NetworkFactory(task, dataset, options.name, device),
        device=device,
        monitor=monitor,
        stop=stop,
        threads=settings.threads,
        processes=processes,
        locks=open_locks(settings.storage),
        checkpoint_every_s=settings.training.checkpoint_every_s,
    )
