"""The machine while campaigns take turns: what it draws at rest, and whether its speed has changed."""

import dataclasses
import itertools
import logging
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import torch

from greenkd.campaign.settings import Settings
from greenkd.campaign.training_context import DataCache, open_training_context
from greenkd.energy import EnergyMonitor, open_monitor
from greenkd.energy.unmetered import watts
from greenkd.records import BlockRow, Phase, append_row
from greenkd.records.timestamps import now
from greenkd.training.backend.device import resolve_device
from greenkd.training.backend.threads import use_threads
from greenkd.training.learner import Learner
from greenkd.training.stop_signals import StopFlag

log = logging.getLogger("greenkd")

# Beyond this the machine is not the one it was; CPU seconds of equal work repeat within 4 % otherwise.
DRIFT = 0.1
_WARM_UP_STEPS = 5
# Longest sleep between two looks at the stop flag.
_NAP_S = 0.5


class Machine:
    """Measures the machine before each seed or block, an idle window and some fixed training steps; records blocks.

    Args:
        settings: Of one of the campaigns; says what is measured, and whose student makes the steps.
        sweep: The sweep's folder, for `blocks.jsonl` and `calibration.jsonl`.
        stop: Asked while the machine is idle.
        data: The data set that the campaigns share.
    """

    def __init__(self, settings: Settings, sweep: Path, stop: StopFlag, data: DataCache) -> None:
        self._settings = settings
        self._options = settings.interleaving
        self._sweep = sweep
        self._stop = stop
        self._data = data
        self._device = resolve_device(settings.device)
        self._work: FixedWork | None = None
        self._blocks = 0
        self._first_cpu_s: float | None = None

    def _monitor(self) -> EnergyMonitor:
        synchronize = partial(torch.cuda.synchronize, self._device) if self._device.type == "cuda" else None
        return open_monitor(
            self._settings.energy.mapping,
            campaign_id=self._settings.sweep,
            ledger=self._sweep / "calibration.jsonl",
            synchronize=synchronize,
        )

    def begin_block(self, strategies: Sequence[str], *, first_of_seed: bool) -> None:
        """Measures if it is time to, writes the block's row, and warns of drift.

        Args:
            strategies: Names of the campaigns that have a turn in the block, in order.
            first_of_seed: No block of the same group of campaigns has come before.

        Raises:
            TrainingInterruptedError: A stop was asked for.
            StorageError: A row cannot be written.
        """
        row = BlockRow(
            block=self._blocks,
            strategies=tuple(strategies),
            started_at=now(),
            idle_w=None,
            calibration_cpu_s=None,
            calibration_kwh=None,
            drift=None,
            drifted=False,
        )
        if first_of_seed or self._options.every == "block":
            row = self._measured(row)
        append_row(self._sweep / "blocks.jsonl", row)
        self._blocks += 1

        if self._options.every == "block":
            log.info("block %d: %s", self._blocks, ", ".join(strategies))
        if row.drifted:
            log.warning(
                "  the machine has drifted: the same training steps take %+.0f %% CPU seconds since the first block; "
                "blocks.jsonl says which blocks that holds for",
                100 * (row.drift or 0.0),
            )

    def _measured(self, row: BlockRow) -> BlockRow:
        """Measures what is asked for, and returns the row with it."""
        idle_s, steps = self._options.idle_s, self._options.calibration_steps
        if not idle_s and not steps:
            return row

        with self._monitor() as monitor:
            if idle_s:
                with monitor.phase(Phase.IDLE):
                    self._wait(idle_s)
            if steps:
                self._work = self._work or FixedWork(self._settings, self._device, monitor, self._stop, self._data)
                with monitor.phase(Phase.CALIBRATION) as metered:
                    images = self._work.run(steps)
                    metered.add_work(images, flops=None, forward_flops=None)

            monitor.flush()
            idle, fixed = monitor.costs(phase=Phase.IDLE), monitor.costs(phase=Phase.CALIBRATION)

        drift = self._drift(fixed.cpu_s) if steps else None
        return dataclasses.replace(
            row,
            idle_w=watts(idle.energy_kwh, idle.duration_s) if idle_s else None,
            calibration_cpu_s=fixed.cpu_s if steps else None,
            calibration_kwh=fixed.energy_kwh if steps else None,
            drift=drift,
            drifted=drift is not None and abs(drift) > DRIFT,
        )

    def _wait(self, seconds: float) -> None:
        until = time.monotonic() + seconds
        while (remaining := until - time.monotonic()) > 0:
            self._stop.check()
            time.sleep(min(remaining, _NAP_S))

    def _drift(self, cpu_s: float | None) -> float | None:
        """Compares the fixed steps with those of the first block; None where CPU seconds are not known."""
        if cpu_s is None:
            return None

        self._first_cpu_s = self._first_cpu_s or cpu_s
        return cpu_s / self._first_cpu_s - 1 if self._first_cpu_s else None


class FixedWork:
    """Training steps of the student on the same few batches each time: equal work, whose cost tells of the machine.

    Args:
        settings: Say which student and which data.
        device: Where the steps are made.
        monitor: Open; records what it takes to prepare them.
        stop: Asked between steps.
        data: The data set that the campaigns share.
    """

    def __init__(
        self, settings: Settings, device: torch.device, monitor: EnergyMonitor, stop: StopFlag, data: DataCache
    ) -> None:
        context = open_training_context(settings, device, monitor, stop, data)
        recipe = settings.training.recipe
        network = context.networks.build(settings.student.mapping, "student", settings.seed)
        flops = context.networks.flops(network)

        task = context.data.task
        self._loader = context.data.loader(settings.seed, recipe.batch_size)
        self._plan = self._loader.plan(0)
        self._learner = Learner(
            network,
            task.supervised(),
            task,
            recipe,
            flops,
            flops.forward,
            settings.seed,
            self._loader.steps,
        )
        self._tau = torch.ones((), device=device)
        self._threads, self._forward_flops = settings.threads, flops.forward * recipe.batch_size

        self.run(_WARM_UP_STEPS)

    def run(self, steps: int) -> int:
        """Makes training steps; returns the images seen."""
        use_threads(self._threads, self._forward_flops)
        self._learner.network.train()

        images = 0
        for step in self._steps(steps):
            batch = self._loader.batch(self._plan, step)
            self._learner.step(0, step, batch, None, (self._tau, self._tau))
            images += len(batch.labels)
        return images

    def _steps(self, steps: int) -> Iterator[int]:
        return itertools.islice(itertools.cycle(range(self._loader.steps)), steps)
