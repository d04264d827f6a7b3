"""What goes on record about a network: its size, a teacher's scores, and what taking them costs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from greenkd.records import NetworkRecord, Phase
from greenkd.tasks import Evaluator, Score
from greenkd.training.backend.threads import differing_threads, use_threads
from greenkd.training.context import TrainingContext
from greenkd.training.recipe import Recipe


def network_record(context: TrainingContext, network: nn.Module, name: str) -> NetworkRecord:
    """Returns a network's size."""
    flops = context.networks.flops(network)
    return NetworkRecord(
        name=name,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        forward_flops_per_image=flops.forward,
        training_flops_per_image=flops.training,
        forward_macs_per_image=flops.forward_macs,
    )


def own_threads(context: TrainingContext, config: Mapping[str, Any], where: str, recipe: Recipe) -> dict[str, int]:
    """Returns a network's number of threads where it is not the one that `threads=auto` stands for: it is hashed then.

    Args:
        context: Holds networks and threads.
        config: The network's group.
        where: Which group, for messages.
        recipe: Gives the batch size.
    """
    if context.threads == "auto":
        return {}
    forward_flops = context.networks.forward_flops(config, where) * recipe.batch_size
    number = differing_threads(context.threads, forward_flops)
    return {} if number is None else {"threads": number}


def score_teacher(
    context: TrainingContext,
    split: Evaluator,
    network: nn.Module,
    recipe: Recipe,
    size: NetworkRecord,
    *,
    ledger: Path,
    attempt: int = 0,
) -> Score:
    """Evaluates a teacher on a split, as phase test of the teacher's own ledger.

    Args:
        context: Holds the monitor.
        split: The validation or the test split.
        network: The teacher.
        recipe: Gives precision and batch size.
        size: The teacher's.
        ledger: Where the energy is recorded.
        attempt: Which training's end this is.
    """
    forward = size.forward_flops_per_image
    use_threads(context.threads, (forward or 0.0) * recipe.batch_size)
    with context.monitor.phase(Phase.TEST, attempt=attempt, ledger=ledger) as handle:
        score = split(network, recipe)

        flops = None if forward is None else len(split) * forward
        handle.add_work(len(split), flops=flops, forward_flops=flops)
    return score
