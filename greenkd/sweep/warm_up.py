"""What a process does once, done before the first of several campaigns: no campaign pays it for the others.

Libraries that are imported late, the data set, the first use of each kernel, the first study in a database: whichever
campaign came first would be charged some seconds for them. Here no monitor is open, so `close_command` shares them
equally among the campaigns, as it does with the start of Python.
"""

import logging
import tempfile
from pathlib import Path

from greenkd.campaign.late_imports import load
from greenkd.campaign.settings import Settings
from greenkd.campaign.training_context import DataCache, open_training_context
from greenkd.energy import open_monitor
from greenkd.temperature import StrategyStudy
from greenkd.training.backend.device import resolve_device
from greenkd.training.backend.threads import use_threads
from greenkd.training.learner import Learner
from greenkd.training.stop_signals import StopFlag

log = logging.getLogger(__name__)
_STEPS = 3


def warm_up(settings: Settings, data: DataCache, stop: StopFlag) -> None:
    """Loads and uses once what campaigns need; leaves nothing but the data set in its cache.

    Args:
        settings: Of the first campaign that is not done.
        data: Keeps the data set for the campaigns.
        stop: Of the command; a stop is answered by the campaigns.
    """
    load()

    try:
        with tempfile.TemporaryDirectory(prefix="greenkd-") as scratch:
            _use_once(settings, data, stop, Path(scratch))
    except Exception as error:  # what fails here fails in the campaign too, which says so and ends as it has to
        log.debug("the warm-up ended early: %s", error)


def _use_once(settings: Settings, data: DataCache, stop: StopFlag, scratch: Path) -> None:
    """Makes some steps of the student and a study; the monitor is never begun, so nothing is recorded."""
    device, recipe = resolve_device(settings.device), settings.training.recipe
    monitor = open_monitor(settings.energy.mapping, campaign_id="", ledger=scratch / "ledger.jsonl")
    context = open_training_context(settings, device, monitor, stop, data)

    # Networks, their FLOPs, and steps
    network = context.networks.build(settings.student.mapping, "student", settings.seed)
    flops = context.networks.flops(network)
    task, loader = context.data.task, context.data.loader(settings.seed, recipe.batch_size)
    learner = Learner(
        network,
        task.supervised(),
        task,
        recipe,
        flops,
        flops.forward,
        settings.seed,
        loader.steps,
    )
    use_threads(settings.threads, flops.forward * recipe.batch_size)
    plan = loader.plan(0)
    tau = loader.batch(plan, 0).images.new_ones(())
    for step in range(min(_STEPS, loader.steps)):
        network.train()
        learner.step(0, step, loader.batch(plan, step), None, (tau, tau))
    context.data.validation(network, recipe)

    study = StrategyStudy(settings.strategy, scratch / "study.db", "warm-up", settings.seed, recipe.epochs)
    study.propose(lambda _: True)
