"""Where the trials of a campaign are trained: divided among processes and devices, some in lockstep."""

import math
from typing import Literal, NamedTuple

import torch

from greenkd.errors import ConfigError
from greenkd.training.backend.threads import Threads, available_threads

ParallelTrials = int | Literal["auto"]
ParallelMode = Literal["auto", "processes", "lockstep"]

# Beyond this a share of the teacher's pass is small beside a student's step, and a search learns too little from trials
# that all begin at once.
LOCKSTEP_AUTO = 8


class Placement(NamedTuple):
    """Which processes train, where, and how many trials at a time.

    Attributes:
        devices: One for each process, the campaign's own first.
        together: Trials that each process trains in lockstep; 1 is one after the other.
    """

    devices: tuple[str, ...]
    together: int

    @property
    def processes(self) -> int:
        """How many there are, the campaign's own included."""
        return len(self.devices)

    def of_one_process(self) -> "Placement":
        """Returns the part of the campaign's own process."""
        return self._replace(devices=self.devices[:1])


def place_trials(
    parallel: ParallelTrials,
    mode: ParallelMode,
    trials: int,
    device: torch.device,
    threads: Threads = "auto",
    most_in_lockstep: int = LOCKSTEP_AUTO,
) -> Placement:
    """Divides trials: on CPUs among processes, on GPUs in lockstep, with a process for each GPU.

    Args:
        parallel: `training.parallel_trials`: at most so many at a time.
        mode: `training.parallel_mode`.
        trials: How many the campaign has.
        device: Where the campaign's own process trains; `cuda` without a number stands for all GPUs there are.
        threads: Of each training; `auto` may turn out as more than the one that is reckoned with here.
        most_in_lockstep: What `auto` means in lockstep.

    Raises:
        ConfigError: Processes are asked for on a GPU that they would have to share.
    """
    if device.type == "cpu" and mode != "lockstep":
        fitting = available_threads() // (1 if threads == "auto" else threads)
        processes = min(fitting if parallel == "auto" else parallel, trials)
        return Placement(("cpu",) * max(processes, 1), 1)

    if mode == "processes" and parallel != 1:
        raise ConfigError(
            f"training.parallel_mode=processes: the trials of one process share {device} better than processes do; "
            "take lockstep or auto"
        )

    wanted = max(min(most_in_lockstep if parallel == "auto" else parallel, trials), 1)
    several = device.type == "cuda" and device.index is None
    number = min(torch.cuda.device_count(), wanted) if several else 1
    others = tuple(f"cuda:{index}" for index in range(1, number))
    return Placement((str(device), *others), math.ceil(wanted / max(number, 1)))
