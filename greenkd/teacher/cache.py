"""The teacher cache: trained once per content (data, network, recipe, seed), with a ledger of its own.

A folder `<cache>/teachers/<key>/` holds `weights.safetensors`, `teacher.json` (TeacherRecord), `ledger.jsonl` and
`epochs.jsonl`; of a teacher whose weights were given, its record and the ledger of its scores. A file lock beside it
lets one process train and the others wait.
"""

import dataclasses
import hashlib
import json
import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from filelock import FileLock
from torch import nn

from greenkd.errors import StorageError, TeacherFailedError, TrainingDivergedError
from greenkd.objectives import CrossEntropy
from greenkd.records import (
    Costs,
    EpochRow,
    LedgerRow,
    Phase,
    StepsRow,
    TeacherRecord,
    append_row,
    read_rows,
    read_teacher,
    sum_costs,
    write_teacher,
)
from greenkd.records.timestamps import to_seconds
from greenkd.teacher.given_weights import given_key, given_record, network_record, score_teacher
from greenkd.temperature import Constant
from greenkd.training.bench import Bench
from greenkd.training.checkpoint import Checkpointer
from greenkd.training.learner import Learner
from greenkd.training.recipe import Recipe
from greenkd.training.safetensors_io import load_network, load_tensors, save_tensors, set_aside
from greenkd.training.stop_signals import holding
from greenkd.training.trainer import Fit, PhaseTag

log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True)
class Teacher:
    """A trained teacher and what is on record about it."""

    network: nn.Module
    record: TeacherRecord
    folder: Path | None  # None: its weights were given, nothing about its training is known


def teacher_key(bench: Bench, config: Mapping[str, Any], recipe: Recipe, seed: int) -> str:
    """Hashes everything a teacher's weights are a function of."""
    content = {
        "data": bench.dataset.fingerprint,
        "options": dataclasses.asdict(bench.options) | {"name": None},
        "network": dict(config) | {"name": None},
        "recipe": dataclasses.asdict(recipe) | {"validate_every": None},
        "seed": seed,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True, default=str).encode()).hexdigest()[:16]


def load_or_train(
    bench: Bench,
    config: Mapping[str, Any],
    *,
    where: str,
    recipe: Recipe,
    seed: int,
    cache: Path,
    campaign_id: str,
    watch: Callable[[EpochRow], None],
) -> Teacher:
    """Loads the teacher from the cache, or trains it; several processes at once train it once.

    Args:
        bench: The campaign's data and device.
        config: The network's group.
        where: `teacher`, or `student` for a student's own pretrained copy.
        recipe: How it is trained.
        seed: Seed of its training.
        cache: The cache folder.
        campaign_id: Who pays if it has to be trained.
        watch: Told of every epoch of its training.

    Raises:
        ConfigError: Given weights do not fit the network and data set.
        StorageError: The cache cannot be written.
        TeacherFailedError: Its training broke down.
    """
    network = bench.network(config, where, seed)
    weights = config.get("weights")
    if weights:
        load_network(network, load_tensors(Path(str(weights)))[0], f"{where}.weights={weights}")
    key = given_key(bench, config, recipe) if weights else teacher_key(bench, config, recipe, seed)
    folder = cache / "teachers" / key
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StorageError(
            f"{folder}: cannot be made ({error.strerror}); set cache_dir=<a folder you can write>"
        ) from error
    waiting = f"another process is {'testing' if weights else 'training'} this teacher; waiting for it"
    with holding(FileLock(folder.with_suffix(".lock")), bench.stop, waiting):
        if weights:
            return Teacher(network, given_record(bench, network, str(config["name"]), recipe, folder), None)
        found = _load(folder, network, where)
        try:
            return found or _train(bench, network, folder, str(config["name"]), recipe, seed, campaign_id, watch)
        except (TrainingDivergedError, RuntimeError) as error:  # torch's, out of memory among them
            first = (str(error).splitlines() or [""])[0]
            raise TeacherFailedError(
                f"{where}={config['name']}: its training failed ({first}), so no trial was begun; see training.teacher"
            ) from error


def _load(folder: Path, network: nn.Module, where: str) -> Teacher | None:
    weights, described = folder / "weights.safetensors", folder / "teacher.json"
    if not described.exists():
        return None
    try:
        tensors, _ = load_tensors(weights)
        record = read_teacher(described)
    except (StorageError, ValueError) as error:
        log.warning("the cached teacher is damaged and will be trained again: %s", error)
        set_aside(described)
        return None
    load_network(network, tensors, f"{where} (cached in {folder})")
    _checkpointer(folder, math.inf).remove()  # of a process that was killed when all but this was done
    return Teacher(network, record, folder)


def _checkpointer(folder: Path, every_s: float) -> Checkpointer:
    return Checkpointer(folder / "checkpoint.safetensors", every_s, {"teacher": folder.name})


def _train(
    bench: Bench,
    network: nn.Module,
    folder: Path,
    name: str,
    recipe: Recipe,
    seed: int,
    campaign_id: str,
    watch: Callable[[EpochRow], None],
) -> Teacher:
    ledger = folder / "ledger.jsonl"
    begun = [row.attempt for row in read_rows(ledger, LedgerRow).rows]
    begun += [row.attempt for row in read_rows(folder / "epochs.jsonl", EpochRow).rows]
    attempt = 1 + max(begun, default=-1)
    tag = PhaseTag(bench.monitor, Phase.TEACHER_TRAINING, trial=None, attempt=attempt, ledger=ledger)
    described = network_record(bench, network, name)
    loader = bench.loader(seed, recipe.batch_size)
    flops = bench.flops(network)
    learner = Learner(network, CrossEntropy(), recipe, flops, flops.forward, seed, loader.steps)

    def on_epoch(row: EpochRow, steps: StepsRow | None) -> bool:
        append_row(folder / "epochs.jsonl", row)
        watch(row)
        return False

    checkpointer = _checkpointer(folder, bench.checkpoint_every_s)
    result = Fit(
        learner=learner,
        loader=loader,
        recipe=recipe,
        schedule=Constant(tau=1.0),
        teacher=None,
        validation=bench.validation,
        seed=seed,
        tag=tag,
        checkpointer=checkpointer,
        stop=bench.stop,
        on_epoch=on_epoch,
        device=bench.device,
        threads=bench.threads,
    ).run()
    test = score_teacher(bench, bench.test, network, recipe, described, ledger=ledger, attempt=attempt)
    bench.monitor.flush()
    save_tensors(folder / "weights.safetensors", network.state_dict(), {"epochs": result.epochs})
    rows = [row for row in read_rows(ledger, LedgerRow).rows if row.phase is Phase.TEACHER_TRAINING]
    record = TeacherRecord(
        key=folder.name,
        network=described,
        val_score=result.val_score,
        test_score=test.value,
        costs=sum_costs(rows),
        trained_by=campaign_id,
    )
    write_teacher(folder / "teacher.json", record)
    checkpointer.remove()
    return Teacher(network, record, folder)


def teacher_paid(teacher: Teacher, campaign_id: str, since: str) -> Costs | None:
    """What one campaign has spent on this teacher's training; None if another paid, or nobody here did.

    Args:
        teacher: The campaign's.
        campaign_id: The campaign's, which the same campaign in another sweep has too.
        since: When it began, ISO 8601.
    """
    if teacher.folder is None:
        return None
    rows = read_rows(teacher.folder / "ledger.jsonl", LedgerRow).rows
    mine = (row for row in rows if row.campaign_id == campaign_id and row.started_at >= to_seconds(since))
    own = [row for row in mine if row.phase is Phase.TEACHER_TRAINING]
    return sum_costs(own) if own else None
