"""Campaigns that take turns, trial by trial, in random blocks: what drifts in the machine then hits all strategies.

A block gives a turn to each campaign that is due, in random order. A campaign with fewer trials than another has its
turns in randomly drawn blocks, so that one training is not always the first. Before each block the machine is idle for
a while, and then makes some fixed training steps, whose CPU seconds say whether it has become slower or faster.
"""

import contextlib
import dataclasses
import itertools
import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import torch

from greenkd.campaign.campaign import Campaign
from greenkd.campaign.console import Reporter
from greenkd.campaign.progress import read_state
from greenkd.campaign.settings import Interleaving, Settings
from greenkd.campaign.training_context import DataCache, open_training_context
from greenkd.energy import EnergyMonitor, open_monitor
from greenkd.energy.unmetered import watts
from greenkd.errors import GreenkdError, TrainingInterruptedError
from greenkd.objectives import CrossEntropy
from greenkd.records import BlockRow, CampaignRecord, Phase, append_row
from greenkd.training.backend.device import resolve_device
from greenkd.training.backend.threads import use_threads
from greenkd.training.learner import Learner
from greenkd.training.stop_signals import StopFlag

log = logging.getLogger("greenkd")

# Beyond this the machine is not the one it was; CPU seconds of equal work repeat within 4 % otherwise.
DRIFT = 0.1
_WARM_UP_STEPS = 5

Outcome = CampaignRecord | Exception


@dataclasses.dataclass
class _Turns:
    """A campaign that takes turns with others."""

    name: str
    folder: Path
    campaign: Campaign
    due: int  # trials still to be run


def take_turns(campaigns: Sequence[tuple[Settings, Path]], stop: StopFlag) -> dict[Path, Outcome]:
    """Runs campaigns of one sweep to their ends.

    Args:
        campaigns: Settings and folder of each.
        stop: Asked between steps.

    Returns:
        By resolved folder: the campaign's record, or why it could not go on; the others were run all the same.

    Raises:
        TrainingInterruptedError: A stop was asked for.
    """
    first, folder = campaigns[0]
    interleaving = first.interleaving
    assert interleaving is not None
    outcomes: dict[Path, Outcome] = {}
    with contextlib.ExitStack() as stack:
        running: list[_Turns] = []
        data = DataCache()
        for settings, own in campaigns:
            state = read_state(settings, own)
            campaign = stack.enter_context(Campaign(settings, own, stop, Reporter(), data, takes_turns=True))
            name = f"{settings.name('temperature')} seed {settings.seed}"
            turns = _Turns(name, own, campaign, state.planned - state.ended)
            if _attempt(turns, _prepare, outcomes):
                running.append(turns)
        machine = _Machine(first, folder.parents[4], interleaving, stop) if running else None
        drawn = draw_blocks([each.due for each in running], first.seed)
        # Turns that nobody foresaw (a trial whose weights were lost) come in further blocks, all together.
        foreseen = [[running[number] for number in block] for block in drawn]
        for number, block in enumerate(itertools.chain(foreseen, itertools.repeat(running))):
            left = [each for each in block if each.folder.resolve() not in outcomes]
            if machine is None or len(outcomes) == len(campaigns):
                break
            if left:
                machine.before(number, [each.name for each in left])
            for each in left:
                _attempt(each, _take_turn, outcomes)
    return outcomes


def _attempt(turns: _Turns, work: Callable[[Campaign], CampaignRecord | None], outcomes: dict[Path, Outcome]) -> bool:
    """Lets a campaign do something; returns False if it has ended, with the outcome taken down."""
    try:
        outcome: Outcome | None = work(turns.campaign)
    except TrainingInterruptedError:
        raise
    except (GreenkdError, OSError, RuntimeError) as error:
        outcome = error
    if outcome is None:
        return True
    turns.campaign.close()
    outcomes[turns.folder.resolve()] = outcome
    return False


def _prepare(campaign: Campaign) -> CampaignRecord | None:
    """Prepares a campaign; returns its record if it has nothing to train."""
    campaign.prepare()
    if campaign.trials_are_over():
        return _finish(campaign)
    campaign.pause()
    return None


def _take_turn(campaign: Campaign) -> CampaignRecord | None:
    """Gives a campaign one trial; returns its record if that was the last."""
    campaign.resume()
    if not campaign.run_next_trial() or campaign.trials_are_over():
        return _finish(campaign)
    campaign.pause()
    return None


def _finish(campaign: Campaign) -> CampaignRecord:
    while campaign.run_next_trial():  # a chosen trial whose weights are lost is trained again
        pass
    return campaign.finish()


def draw_blocks(turns: Sequence[int], seed: int) -> list[list[int]]:
    """Draws who is due in which block, and in which order.

    Args:
        turns: How many each campaign needs.
        seed: The same seed draws the same blocks.

    Returns:
        As many blocks as the largest number of turns; each holds the positions of campaigns, in order.
    """
    drawn = random.Random(f"greenkd/{seed}/blocks")
    length = max(turns, default=0)
    blocks: list[list[int]] = [[] for _ in range(length)]
    for campaign, count in enumerate(turns):
        for number in drawn.sample(range(length), count):
            blocks[number].append(campaign)
    for block in blocks:
        drawn.shuffle(block)
    return blocks


class _Machine:
    """Looks at the machine before each block."""

    def __init__(self, settings: Settings, sweep: Path, options: Interleaving, stop: StopFlag) -> None:
        self._settings = settings
        self._sweep = sweep
        self._options = options
        self._stop = stop
        self._device = resolve_device(str(settings.config["device"]))
        self._first_cpu_s: float | None = None
        with self._monitor() as monitor:
            self._work = _FixedWork(settings, self._device, monitor, stop)

    def _monitor(self) -> EnergyMonitor:
        synchronize = partial(torch.cuda.synchronize, self._device) if self._device.type == "cuda" else None
        return open_monitor(
            self._settings.config["energy"],
            campaign_id=str(self._settings.config["sweep"]),
            ledger=self._sweep / "calibration.jsonl",
            synchronize=synchronize,
        )

    def before(self, block: int, names: Sequence[str]) -> None:
        """Measures, writes the block's row, and warns of drift."""
        started_at = datetime.now(UTC).isoformat(timespec="seconds")
        steps = self._options.calibration_steps
        with self._monitor() as monitor:
            with monitor.phase(Phase.IDLE):
                until = time.monotonic() + self._options.idle_s
                while (left := until - time.monotonic()) > 0:
                    self._stop.check()
                    time.sleep(min(left, 0.5))
            with monitor.phase(Phase.CALIBRATION) as metered:
                images = self._work.run(steps)
                metered.add_work(images, flops=None, forward_flops=None)
            monitor.flush()
            idle, fixed = monitor.costs(phase=Phase.IDLE), monitor.costs(phase=Phase.CALIBRATION)
        drift = None
        if steps and fixed.cpu_s is not None:
            self._first_cpu_s = self._first_cpu_s or fixed.cpu_s
            drift = fixed.cpu_s / self._first_cpu_s - 1 if self._first_cpu_s else None
        row = BlockRow(
            block=block,
            strategies=tuple(names),
            started_at=started_at,
            idle_w=watts(idle.energy_kwh, idle.duration_s) if self._options.idle_s else None,
            calibration_cpu_s=fixed.cpu_s if steps else None,
            calibration_kwh=fixed.energy_kwh if steps else None,
            drift=drift,
            drifted=drift is not None and abs(drift) > DRIFT,
        )
        append_row(self._sweep / "blocks.jsonl", row)
        log.info("block %d: %s", block + 1, ", ".join(names))
        if row.drifted:
            log.warning(
                "  the machine has drifted: the same training steps take %+.0f %% CPU seconds since the first block; "
                "blocks.jsonl says which blocks that holds for",
                100 * (drift or 0.0),
            )


class _FixedWork:
    """Training steps of the student, always the same number of the same batches."""

    def __init__(self, settings: Settings, device: torch.device, monitor: EnergyMonitor, stop: StopFlag) -> None:
        context = open_training_context(settings, device, monitor, stop, DataCache())
        recipe = settings.training.recipe
        network = context.networks.build(settings.config["student"], "student", settings.seed)
        self._loader = context.data.loader(settings.seed, recipe.batch_size)
        self._plan = self._loader.plan(0)
        flops = context.networks.flops(network)
        self._learner = Learner(
            network, CrossEntropy(), context.data.task, recipe, flops, flops.forward, settings.seed, self._loader.steps
        )
        self._tau = torch.ones((), device=device)
        self._threads, self._step_flops = settings.threads, flops.training * recipe.batch_size
        self.run(_WARM_UP_STEPS)

    def run(self, steps: int) -> int:
        """Makes steps; returns the images seen."""
        use_threads(self._threads, self._step_flops)
        self._learner.network.train()
        images = 0
        for step in self._steps(steps):
            batch = self._loader.batch(self._plan, step)
            self._learner.step(0, step, batch, None, (self._tau, self._tau))
            images += len(batch.labels)
        return images

    def _steps(self, steps: int) -> Iterator[int]:
        return itertools.islice(itertools.cycle(range(self._loader.steps)), steps)
