"""Trials side by side on CPUs, or on several GPUs: worker processes of one campaign.

The campaign's own process starts workers, and each claims trials as any other process given the same command would
(by the locks in the campaign's folder), with an energy monitor of its own, and tells over a pipe what it finished. A
worker that dies frees its trial's lock, and the trial goes on elsewhere from its checkpoint; one whose pipe closes,
because the campaign was stopped or killed, writes a checkpoint and ends.

A worker is no child of the campaign's process: meters that count the CPU time of a process with its children would
count its work twice.
"""

import contextlib
import dataclasses
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing.connection import Connection, Pipe
from pathlib import Path
from typing import Self

from greenkd.campaign.settings import Settings
from greenkd.campaign.workers.fork_server import can_fork, fork_worker
from greenkd.energy.flops import Flops
from greenkd.records import TrialRow

log = logging.getLogger("greenkd")

# A worker that was asked to stop ends within one step of its training and a checkpoint.
_PATIENCE_S = 120.0


class WorkerPool:
    """The workers of one campaign, as its own process sees them; starts them, and ends them with its block.

    Args:
        devices: Where each trains; empty: there are none.
        together: Trials that each trains in lockstep.
        settings: The campaign's.
        folder: The campaign's folder.
        on_trial: Told of every trial a worker has finished, in a thread of its own.

    Attributes:
        pids: Process ids of the workers that have come up.
    """

    def __init__(
        self,
        devices: Sequence[str],
        together: int,
        settings: Settings,
        folder: Path,
        on_trial: Callable[[TrialRow], None],
    ) -> None:
        self._settings = [_settings_on(settings, device, together) for device in devices]
        self._folder = folder
        self._on_trial = on_trial
        self.pids: list[int] = []

        self._pipes = [_start(device) for device in devices]
        self._threads = [
            threading.Thread(target=self._listen, args=(from_worker,), daemon=True) for _, from_worker in self._pipes
        ]

    def __enter__(self) -> Self:
        for (to_worker, _), thread, settings in zip(self._pipes, self._threads, self._settings, strict=True):
            thread.start()
            with contextlib.suppress(BrokenPipeError):
                to_worker.send((dict(settings.energy.mapping), settings.campaign_id, self._folder))
        return self

    def __exit__(self, *_: object) -> None:
        for to_worker, _from_worker in self._pipes:
            to_worker.close()
        for thread in self._threads:
            thread.join(_PATIENCE_S)

    def begin(self, counted_flops: Mapping[str, Flops]) -> None:
        """Lets the workers claim trials; until now they have loaded what they need, beside the teacher's training.

        Args:
            counted_flops: FLOPs by architecture, which they need not count again.
        """
        for (to_worker, _), settings in zip(self._pipes, self._settings, strict=True):
            with contextlib.suppress(BrokenPipeError):
                to_worker.send((settings, dict(counted_flops)))

    def _listen(self, from_worker: Connection) -> None:
        """Passes on what one worker says, until it ends."""
        ended, pid = False, 0
        with contextlib.suppress(EOFError, OSError):
            while True:
                kind, content = from_worker.recv()
                if kind == "pid":
                    pid = content
                    self.pids.append(pid)
                elif kind == "trial":
                    self._on_trial(content)
                elif kind == "log":
                    log.log(*content)
                elif kind == "end":
                    ended = True

        if not ended:
            log.warning("worker process %d died; the trial it was at goes on here from its checkpoint", pid)


def _start(device: str) -> tuple[Connection, Connection]:
    """Starts a worker; returns the pipes to it and from it."""
    from_campaign, to_worker = Pipe(duplex=False)
    from_worker, to_campaign = Pipe(duplex=False)

    with from_campaign, to_campaign:
        if not (can_fork(device) and fork_worker(from_campaign.fileno(), to_campaign.fileno())):
            subprocess.run(
                [sys.executable, "-m", "greenkd.campaign.workers.worker"],
                stdin=from_campaign.fileno(),
                stdout=to_campaign.fileno(),
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                check=True,  # the worker has left this process's children by then
            )
    return to_worker, from_worker


def _settings_on(settings: Settings, device: str, together: int) -> Settings:
    """Returns a campaign's settings for a worker on a device; on the CPU, they say how the CPUs are divided."""
    if device == "cpu":
        return settings
    training = dataclasses.replace(settings.training, parallel_trials=together)
    return dataclasses.replace(settings, device=device, training=training)
