"""What goes on record about a network: its size, its scores and what taking them costs; and weights that were given."""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from greenkd.records import NetworkRecord, Phase, TeacherRecord, read_teacher, write_teacher
from greenkd.training.bench import Bench
from greenkd.training.evaluate import Evaluator, Score
from greenkd.training.recipe import Recipe
from greenkd.training.safetensors_io import set_aside

log = logging.getLogger(__name__)


def network_record(bench: Bench, network: nn.Module, name: str) -> NetworkRecord:
    """Returns a network's size."""
    flops = bench.flops(network)
    return NetworkRecord(
        name=name,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        forward_flops_per_image=flops.forward,
        training_flops_per_image=flops.training,
        forward_macs_per_image=flops.forward_macs,
    )


def score_teacher(
    bench: Bench,
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
        bench: Whose monitor it is.
        split: The validation or the test split.
        network: The teacher.
        recipe: Gives the precision.
        size: The teacher's.
        ledger: Where the energy is booked.
        attempt: Which training's end this is.
    """
    with bench.monitor.phase(Phase.TEST, attempt=attempt, ledger=ledger) as metered:
        score = split(network, recipe)
        forward = size.forward_flops_per_image
        flops = None if forward is None else len(split) * forward
        metered.add_work(len(split), flops=flops, forward_flops=flops)
    return score


def given_key(bench: Bench, config: Mapping[str, Any], recipe: Recipe) -> str:
    """Hashes everything that the scores of given weights are a function of.

    Args:
        bench: The data.
        config: The network's group; `weights` names the file.
        recipe: Gives the precision.
    """
    content = {
        "data": bench.dataset.fingerprint,
        "options": dataclasses.asdict(bench.options) | {"name": None},
        "network": dict(config) | {"name": None, "weights": hashlib.sha256(_read(config)).hexdigest()},
        "precision": recipe.precision,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def given_record(bench: Bench, network: nn.Module, name: str, recipe: Recipe, folder: Path) -> TeacherRecord:
    """Returns the record of a teacher whose weights were given; it is scored once and kept in the cache.

    Args:
        bench: The data and the monitor.
        network: Has the weights.
        name: The network's.
        recipe: Gives the precision.
        folder: The teacher's in the cache; gets `teacher.json` and `ledger.jsonl`, not the weights.
    """
    described, ledger = folder / "teacher.json", folder / "ledger.jsonl"
    if described.exists():
        try:
            return read_teacher(described)
        except ValueError as error:
            log.warning("the scores of given weights are damaged and will be taken again: %s", error)
            set_aside(described)
    size = network_record(bench, network, name)
    record = TeacherRecord(
        key=folder.name,
        network=size,
        val_score=score_teacher(bench, bench.validation, network, recipe, size, ledger=ledger).value,
        test_score=score_teacher(bench, bench.test, network, recipe, size, ledger=ledger).value,
        costs=None,
        trained_by="given",
    )
    bench.monitor.flush()
    write_teacher(described, record)
    return record


def _read(config: Mapping[str, Any]) -> bytes:
    return Path(str(config["weights"])).read_bytes()
