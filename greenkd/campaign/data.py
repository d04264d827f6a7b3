"""The workbench from a campaign's settings: its data set is loaded once for campaigns that follow each other."""

import json

import torch

from greenkd.campaign.settings import Settings
from greenkd.data import Dataset, DatasetOptions, load
from greenkd.energy import EnergyMonitor
from greenkd.training.backend.determinism import use_deterministic_kernels
from greenkd.training.backend.malloc import keep_freed_memory
from greenkd.training.bench import Bench
from greenkd.training.stop_signals import StopFlag

_loaded: dict[str, tuple[DatasetOptions, Dataset]] = {}


def open_bench(
    settings: Settings, device: torch.device, monitor: EnergyMonitor, stop: StopFlag, *, processes: int = 1
) -> Bench:
    """Loads the data and returns what every training of a campaign shares.

    Args:
        settings: The campaign's.
        device: Where it trains.
        monitor: Open.
        stop: Asked between steps.
        processes: Trainings that run side by side and divide the CPUs.

    Raises:
        DataError: The data set is missing or damaged.
    """
    if device.type == "cpu":
        keep_freed_memory()
    else:
        use_deterministic_kernels(settings.training.deterministic)
    key = json.dumps([settings.config["dataset"], settings.smoke], sort_keys=True, default=str)
    if key not in _loaded:
        _loaded.clear()  # one at a time is in memory
        _loaded[key] = load(settings.config["dataset"], smoke=settings.smoke)
    options, dataset = _loaded[key]
    return Bench(
        options=options,
        dataset=dataset,
        device=device,
        monitor=monitor,
        stop=stop,
        checkpoint_every_s=settings.training.checkpoint_every_s,
        threads=settings.threads,
        processes=processes,
    )
