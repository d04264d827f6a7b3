"""What every training of a campaign shares: data, networks, the energy monitor, the stop flag, the machine."""

import dataclasses

import torch

from greenkd.energy import EnergyMonitor
from greenkd.locks import FileLocks, Locks
from greenkd.training.backend.threads import Threads
from greenkd.training.data_module import DataModule
from greenkd.training.network_factory import NetworkFactory
from greenkd.training.stop_signals import StopFlag


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingContext:
    """What the trainings of one process share.

    Attributes:
        data: The data set on the device.
        networks: Builds teacher, students and peers.
        device: Where trainings run.
        monitor: Records what they cost.
        stop: Set when a stop is asked for.
        threads: CPU threads of each training, whatever runs beside it.
        processes: Trainings that run side by side.
        locks: Where the locks of the cache are kept.
        checkpoint_every_s: Seconds between two checkpoints.
    """

    data: DataModule
    networks: NetworkFactory
    device: torch.device
    monitor: EnergyMonitor
    stop: StopFlag
    threads: Threads
    processes: int = 1
    locks: Locks = dataclasses.field(default_factory=FileLocks)
    checkpoint_every_s: float
