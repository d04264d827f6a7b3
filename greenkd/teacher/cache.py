"""The teacher cache: trained once per content (data, network, recipe, seed), with a ledger of its own.

A folder `<cache>/teachers/<key>/` holds `weights.safetensors`, `teacher.json` (TeacherRecord), `ledger.jsonl` and
`epochs.jsonl`; of a teacher whose weights were given, its record and the ledger of its scores. A lock lets one process
train and the others wait.
"""

import dataclasses
import hashlib
import json
import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import nn

from greenkd.errors import StorageError, TeacherFailedError, TrainingDivergedError, TrainingInterruptedError
from greenkd.identity import network_identity
from greenkd.records import (
    Costs,
    EpochRow,
    LedgerRow,
    Phase,
    StepsRow,
    TeacherRecord,
    append_row,
    make_folder,
    read_rows,
    read_teacher,
    sum_costs,
    write_teacher,
)
from greenkd.records.metering import own_terms
from greenkd.records.timestamps import to_seconds
from greenkd.teacher.given_weights import given_key, given_record
from greenkd.teacher.scores import network_record, own_threads, score_teacher
from greenkd.temperature import Constant
from greenkd.training.checkpoint import Checkpointer
from greenkd.training.context import TrainingContext
from greenkd.training.learner import Learner
from greenkd.training.network_weights import load_network
from greenkd.training.phase_tag import PhaseTag
from greenkd.training.recipe import Recipe
from greenkd.training.safetensors_io import load_tensors, save_tensors, set_aside
from greenkd.training.stop_signals import holding
from greenkd.training.trainer import train_one
from greenkd.training.training import Training
from greenkd.training.weights_file import conversion, read_given_weights

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Teacher:
    """A trained teacher and what is on record about it."""

    network: nn.Module
    record: TeacherRecord
    folder: Path | None  # None: its weights were given, nothing about its training is known


@dataclasses.dataclass(frozen=True, kw_only=True)
class TeacherRequest:
    """Which teacher is wanted.

    Attributes:
        config: The network's group.
        where: `teacher`, or `student` for a student's own pretrained copy.
        recipe: How it is trained.
        seed: Seed of its training.
        campaign_id: The campaign that pays if it has to be trained.
        on_epoch: Told of every epoch of its training.
        before_epoch: Called before every epoch of its training; may raise a `TrainingInterruptedError`.
        before_step: Called before every step, likewise; returns True.
    """

    config: Mapping[str, Any]
    where: str
    recipe: Recipe
    seed: int
    campaign_id: str
    on_epoch: Callable[[EpochRow], None]
    before_epoch: Callable[[], None]
    before_step: Callable[[], bool]

    @property
    def name(self) -> str:
        """The network's name."""
        return str(self.config["name"])


def teacher_key(context: TrainingContext, config: Mapping[str, Any], where: str, recipe: Recipe, seed: int) -> str:
    """Hashes everything a teacher's weights are a function of.

    Args:
        context: Holds data, networks and threads.
        config: The network's group.
        where: Which group, for messages.
        recipe: How it is trained.
        seed: Of its training.
    """
    content: dict[str, Any] = {
        "data": context.data.dataset.fingerprint,
        "options": dataclasses.asdict(context.data.options) | {"name": None},
        "network": network_identity(config),
        "recipe": dataclasses.asdict(recipe) | {"validate_every": None},
        "seed": seed,
    }
    content |= own_threads(context, config, where, recipe)
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def load_or_train(context: TrainingContext, request: TeacherRequest, cache: Path) -> Teacher:
    """Loads the teacher from the cache, or trains it; several processes at once train it once.

    Args:
        context: The campaign's data, monitor and device.
        request: Which teacher.
        cache: The cache folder.

    Raises:
        ConfigError: Given weights do not fit the network and data set.
        StorageError: The cache cannot be written.
        TeacherFailedError: Its training broke down.
    """
    config, recipe = request.config, request.recipe
    network = context.networks.build(config, request.where, request.seed)

    # Its folder, named by what it is a function of
    weights = config.get("weights")
    if weights:
        tensors = read_given_weights(weights, request.where, request.name)
        cure = conversion(weights, request.name)
        load_network(network, tensors, f"{request.where}.weights={weights}", cure)
        key = given_key(context, config, request.where, recipe)
    else:
        key = teacher_key(context, config, request.where, recipe, request.seed)
    folder = cache / "teachers" / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be made ({error.strerror}); set cache_dir=<a folder you can write>"
        ) from error

    # What one process does, the others wait for.
    waiting = f"another process is {'testing' if weights else 'training'} this teacher; waiting for it"
    lock = context.locks.lock(folder.with_suffix(".lock"), f"teachers/{folder.name}")
    with holding(lock, context.stop, waiting):
        if weights:
            return Teacher(network, given_record(context, network, request.name, recipe, folder), None)
        cached = _load(folder, network, request.where)
        try:
            return cached or _train(context, request, network, folder)
        except (TrainingDivergedError, RuntimeError) as error:  # torch's, out of memory among them
            first = (str(error).splitlines() or [""])[0]
            raise TeacherFailedError(
                f"{request.where}={request.name}: its training failed ({first}), so no trial was begun; "
                "see training.teacher"
            ) from error


def _load(folder: Path, network: nn.Module, where: str) -> Teacher | None:
    weights, described = folder / "weights.safetensors", folder / "teacher.json"
    if not described.exists():
        return None
    try:
        tensors, _ = load_tensors(weights)
        record = read_teacher(described)
    except StorageError as error:
        log.warning("the cached teacher is damaged and will be trained again: %s", error)
        set_aside(described)
        return None

    load_network(network, tensors, f"{where} (cached in {folder})")
    _checkpointer(folder, math.inf).remove()  # of a process that was killed when all but this was done
    return Teacher(network, record, folder)


def _checkpointer(folder: Path, every_s: float) -> Checkpointer:
    return Checkpointer(folder / "checkpoint.safetensors", every_s, {"teacher": folder.name})


def _train(context: TrainingContext, request: TeacherRequest, network: nn.Module, folder: Path) -> Teacher:
    recipe, ledger = request.recipe, folder / "ledger.jsonl"

    # Every start of its training is an attempt of its own.
    attempts = [row.attempt for row in read_rows(ledger, LedgerRow).rows]
    attempts += [row.attempt for row in read_rows(folder / "epochs.jsonl", EpochRow).rows]
    attempt = 1 + max(attempts, default=-1)

    # Training
    def on_epoch(row: EpochRow, steps: StepsRow | None) -> bool:
        make_folder(folder)  # somebody may have emptied the cache
        append_row(folder / "epochs.jsonl", row)
        request.on_epoch(row)
        return False

    task, size = context.data.task, network_record(context, network, request.name)
    loader = context.data.loader(request.seed, recipe.batch_size)
    flops = context.networks.flops(network)
    checkpointer = _checkpointer(folder, context.checkpoint_every_s)
    training = Training(
        context=context,
        learner=Learner(network, task.supervised(), task, recipe, flops, flops.forward, request.seed, loader.steps),
        loader=loader,
        recipe=recipe,
        schedule=Constant(tau=1.0),
        teacher=None,
        validation=context.data.validation,
        seed=request.seed,
        tag=PhaseTag(Phase.TEACHER_TRAINING, attempt=attempt, ledger=ledger),
        checkpointer=checkpointer,
        on_epoch=on_epoch,
        before_epoch=request.before_epoch,
        before_step=request.before_step,
    )
    result = train_one(training)

    # Test, weights, record
    try:
        test = score_teacher(context, context.data.test, network, recipe, size, ledger=ledger, attempt=attempt)
    except TrainingInterruptedError:
        training.save()
        raise
    context.monitor.flush()
    save_tensors(folder / "weights.safetensors", network.state_dict(), {"epochs": result.epochs})
    lines = read_rows(ledger, LedgerRow)
    if lines.changed:
        log.warning("%s: %d line(s) were changed since they were written, and are left out", ledger, len(lines.changed))
    rows = [row for row in lines.rows if row.phase is Phase.TEACHER_TRAINING]
    own = own_terms(rows)
    record = TeacherRecord(
        key=folder.name,
        network=size,
        val_score=result.val_score,
        test_score=test.value,
        costs=sum_costs(rows) if own is None else own.of(rows),
        trained_by=request.campaign_id,
        metered_by=None if own is None else own.meter,
    )
    write_teacher(folder / "teacher.json", record)
    checkpointer.remove()
    return Teacher(network, record, folder)


def teacher_paid(teacher: Teacher, campaign_id: str, since: str) -> Costs | None:
    """Returns what one campaign has spent on this teacher's training; None if another paid, or nobody here did.

    Energy is in terms of the meter that it was last trained under.

    Args:
        teacher: The campaign's.
        campaign_id: The campaign's, which the same campaign in another sweep has too.
        since: When it began, ISO 8601.
    """
    if teacher.folder is None:
        return None

    rows = read_rows(teacher.folder / "ledger.jsonl", LedgerRow).rows
    paid = [
        row
        for row in rows
        if row.campaign_id == campaign_id
        and row.started_at >= to_seconds(since)
        and row.phase is Phase.TEACHER_TRAINING
    ]
    own = own_terms(paid)
    return None if own is None else own.of(paid)
