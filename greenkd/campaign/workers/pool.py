"""Trials side by side on CPUs, or on several GPUs: processes that help one campaign.

The campaign's own process starts helpers, and each claims trials as any other process given the same command would
(by the locks in the campaign's folder), under its own energy monitor, and tells what it finished over a pipe. A helper
that dies frees its trial's lock, and the trial goes on elsewhere from its checkpoint; one whose pipe closes, because
the campaign was stopped or killed, writes a checkpoint and ends.

A helper is no child of the campaign's process: meters that count the CPU time of a process with its children would
monitor its work twice.
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

# A helper that was asked to stop ends within one step of its training and a checkpoint.
_PATIENCE_S = 120.0


class WorkerPool:
    """The helpers of one campaign, as its own process sees them; starts them, and ends them with its block.

    Args:
        devices: Where each trains; empty: there are none.
        together: Trials that each trains in lockstep.
        settings: The campaign's.
        folder: The campaign's folder.
        on_trial: Told of every trial a helper has finished, in a thread of its own.

    Attributes:
        pids: Of those that have come up.
    """

    def __init__(
        self,
        devices: Sequence[str],
        together: int,
        settings: Settings,
        folder: Path,
        on_trial: Callable[[TrialRow], None],
    ) -> None:
        self._settings = [_on(settings, device, together) for device in devices]
        self._folder = folder
        self._on_trial = on_trial
        self.pids: list[int] = []
        self._pipes = [_start(device) for device in devices]
        self._threads = [threading.Thread(target=self._listen, args=(pipe,), daemon=True) for _, pipe in self._pipes]

    def __enter__(self) -> Self:
        for (to_helper, _), thread, settings in zip(self._pipes, self._threads, self._settings, strict=True):
            thread.start()
            with contextlib.suppress(BrokenPipeError):
                to_helper.send((dict(settings.energy.mapping), settings.campaign_id, self._folder))
        return self

    def __exit__(self, *_: object) -> None:
        for to_helper, _pipe in self._pipes:
            to_helper.close()
        for thread in self._threads:
            thread.join(_PATIENCE_S)

    def begin(self, counted: Mapping[str, Flops]) -> None:
        """Lets them claim trials; until now they have loaded what they need, beside the teacher's training.

        Args:
            counted: FLOPs by architecture, which they need not count again.
        """
        for (to_helper, _), settings in zip(self._pipes, self._settings, strict=True):
            with contextlib.suppress(BrokenPipeError):
                to_helper.send((settings, dict(counted)))

    def _listen(self, pipe: Connection) -> None:
        """Passes on what one helper says, until it ends."""
        ended, pid = False, 0
        with contextlib.suppress(EOFError, OSError):
            while True:
                kind, content = pipe.recv()
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
            log.warning("helper process %d died; the trial it was at goes on here from its checkpoint", pid)


def _start(device: str) -> tuple[Connection, Connection]:
    """Starts a helper; returns the pipes to it and from it."""
    from_campaign, to_helper = Pipe(duplex=False)
    from_helper, to_campaign = Pipe(duplex=False)
    with from_campaign, to_campaign:
        if not (can_fork(device) and fork_worker(from_campaign.fileno(), to_campaign.fileno())):
            subprocess.run(
                [sys.executable, "-m", "greenkd.campaign.workers.worker"],
                stdin=from_campaign.fileno(),
                stdout=to_campaign.fileno(),
                env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
                check=True,  # the helper has left it by then
            )
    return to_helper, from_helper


def _on(settings: Settings, device: str, together: int) -> Settings:
    """Returns a campaign's settings for a helper on a device; on the CPU, they say how the CPUs are divided."""
    if device == "cpu":
        return settings
    training = dataclasses.replace(settings.training, parallel_trials=together)
    return dataclasses.replace(settings, device=device, training=training)
