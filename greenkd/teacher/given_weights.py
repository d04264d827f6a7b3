"""A teacher whose weights were given: scored once per content of the file, and kept in the cache with that cost."""

import dataclasses
import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from greenkd.errors import RecordError
from greenkd.identity import network_identity
from greenkd.records import TeacherRecord, read_teacher, write_teacher
from greenkd.teacher.scores import network_record, own_threads, score_teacher
from greenkd.training.context import TrainingContext
from greenkd.training.recipe import Recipe
from greenkd.training.safetensors_io import set_aside
from greenkd.training.weights_file import expand

log = logging.getLogger(__name__)


def given_key(context: TrainingContext, config: Mapping[str, Any], where: str, recipe: Recipe) -> str:
    """Hashes everything that the scores of given weights are a function of.

    Args:
        context: Holds data, networks and threads.
        config: The network's group; `weights` names the file.
        where: Which group, for messages.
        recipe: Gives precision and batch size.
    """
    weights = expand(config["weights"]).read_bytes()
    content: dict[str, Any] = {
        "data": context.data.dataset.fingerprint,
        "options": dataclasses.asdict(context.data.options) | {"name": None},
        "network": network_identity(config) | {"weights": hashlib.sha256(weights).hexdigest()},
        "precision": recipe.precision,
    }
    content |= own_threads(context, config, where, recipe)
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def given_record(
    context: TrainingContext, network: nn.Module, name: str, recipe: Recipe, folder: Path
) -> TeacherRecord:
    """Returns the record of a teacher whose weights were given; it is scored once and kept in the cache.

    Args:
        context: Holds the data and the monitor.
        network: Has the weights.
        name: The network's.
        recipe: Gives the precision.
        folder: The teacher's in the cache; gets `teacher.json` and `ledger.jsonl`, not the weights.
    """
    described, ledger = folder / "teacher.json", folder / "ledger.jsonl"
    if described.exists():
        try:
            return read_teacher(described)
        except RecordError as error:
            log.warning("the scores of given weights are damaged and will be taken again: %s", error)
            set_aside(described)

    size = network_record(context, network, name)
    validation, test = (
        score_teacher(context, split, network, recipe, size, ledger=ledger)
        for split in (context.data.validation, context.data.test)
    )
    record = TeacherRecord(
        key=folder.name,
        network=size,
        val_score=validation.value,
        test_score=test.value,
        costs=None,
        trained_by="given",
    )
    context.monitor.flush()
    write_teacher(described, record)
    return record
