"""Making a pool: round after round, then the teacher's labels, the contact sheet and the record."""

import copy
import time
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from greenkd.data import Augmentation, normalise
from greenkd.energy import PhaseHandle
from greenkd.energy.flops import Flops
from greenkd.errors import ConfigError, TrainingInterruptedError
from greenkd.records import LedgerRow, Phase, read_rows
from greenkd.records.pool import PoolRecord
from greenkd.records.pool_file import write_pool
from greenkd.streams import stream_seed
from greenkd.synthesis.base import Synthesiser, SynthesisSetup
from greenkd.synthesis.contact_sheet import write_contact_sheet
from greenkd.synthesis.request import PoolRequest, PoolSize
from greenkd.synthesis.rounds import KeptRounds
from greenkd.training.backend.threads import use_threads
from greenkd.training.context import TrainingContext
from greenkd.training.safetensors_io import save_tensors

LEDGER = "ledger.jsonl"
IMAGES = "images.safetensors"
RECORD = "pool.json"
SHEET = "pool.png"
ROUNDS = "rounds"
MAKER = "maker.safetensors"

_LABELLED_AT_ONCE = 500


def synthesis_setup(context: TrainingContext, teacher: nn.Module, seed: int) -> SynthesisSetup:
    """Returns what images are made from.

    Args:
        context: The campaign's, with the data that the teacher was trained on.
        teacher: Copied, since it is frozen and hooks are put on it.
        seed: Of the pool.

    Raises:
        ConfigError: The data set is of another task than classification.
    """
    dataset, options = context.data.dataset, context.data.options
    if not isinstance(options.augmentation, Augmentation):
        raise ConfigError(
            f"transfer: images are made for classes, not for {context.data.task.name}; take transfer=real"
        )

    return SynthesisSetup(
        teacher=copy.deepcopy(teacher).eval().requires_grad_(False),
        num_classes=dataset.num_classes,
        channels=dataset.in_channels,
        image_size=dataset.image_size,
        mean=options.mean,
        std=options.std,
        augmentation=options.augmentation,
        device=context.device,
        seed=seed,
    )


def rounds_of(synthesiser: Synthesiser, size: PoolSize) -> int:
    """Returns how many rounds a pool takes."""
    return -(-size.total // synthesiser.batch_size)


def make_pool(context: TrainingContext, request: PoolRequest, folder: Path, size: PoolSize) -> None:
    """Makes a pool, or what is left of one that another process has begun.

    Args:
        context: The campaign's.
        request: Which pool.
        folder: Of the pool; nobody else makes it meanwhile.
        size: How many images.

    Raises:
        TrainingInterruptedError: A stop was asked for; the rounds that are done are kept.
    """
    synthesiser = request.transfer.synthesiser(synthesis_setup(context, request.teacher, request.transfer.seed))
    use_threads(context.threads, synthesiser.flops(0).forward * synthesiser.batch_size)

    # Every start is an attempt of its own; its rounds begin where the one before it ended.
    ledger = folder / LEDGER
    attempt = 1 + max((row.attempt for row in read_rows(ledger, LedgerRow).rows), default=-1)
    kept = KeptRounds(folder / ROUNDS)
    if kept.load():
        state = {name: tensor.to(context.device) for name, tensor in kept.state.items() if name != "nothing"}
        synthesiser.load_state(state)

    # Images, then what the teacher calls them
    with context.monitor.phase(Phase.SYNTHESIS, attempt=attempt, ledger=ledger) as handle:
        _make_rounds(context, request, synthesiser, kept, handle, rounds_of(synthesiser, size))
        images = torch.cat(kept.images)
        images = images[_drawn_order(len(images), request.transfer.seed)[: size.total]]
        labels = _labels(context, request, images, handle)
    context.monitor.flush()

    # The record comes last: without it there is no pool.
    save_tensors(folder / IMAGES, {"images": images, "labels": labels}, {})
    kept.save_state(folder / MAKER)
    write_contact_sheet(folder / SHEET, images[: size.images].numpy(), labels[: size.images].numpy())
    write_pool(folder / RECORD, _record(request, folder, size, synthesiser, labels, context.data.dataset.num_classes))
    kept.remove()


def planned_work(synthesiser: Synthesiser, size: PoolSize) -> int:
    """Returns the images that a ledger counts of a pool that is made without a stop: once per step, once to label."""
    return rounds_of(synthesiser, size) * synthesiser.batch_size * synthesiser.steps + size.total


def planned_flops(synthesiser: Synthesiser, size: PoolSize, teacher_flops: float) -> float:
    """Returns the FLOPs of a pool that is made without a stop.

    Args:
        synthesiser: What makes it.
        size: How many images.
        teacher_flops: Of the teacher's forward pass, for the labels.
    """
    images = synthesiser.batch_size * synthesiser.steps
    made = sum(images * synthesiser.flops(number).training for number in range(rounds_of(synthesiser, size)))
    return made + size.total * teacher_flops


def _make_rounds(
    context: TrainingContext,
    request: PoolRequest,
    synthesiser: Synthesiser,
    kept: KeptRounds,
    handle: PhaseHandle,
    rounds: int,
) -> None:
    """Makes the rounds that are left, and keeps them whenever a checkpoint is due or a stop is asked for."""
    batch, saved_at = synthesiser.batch_size, time.monotonic()

    def before_step(flops: Flops) -> None:
        context.stop.check()
        request.before_step()
        handle.add_work(batch, flops=batch * flops.training, forward_flops=batch * flops.forward)

    for number in range(len(kept.images), rounds):
        try:
            request.before_round()
            images = synthesiser.make(number, partial(before_step, synthesiser.flops(number)))
        except TrainingInterruptedError:
            context.monitor.flush()
            kept.save()
            raise

        kept.add(images, synthesiser.state())
        request.on_round(number, rounds)
        if time.monotonic() - saved_at >= context.checkpoint_every_s and number + 1 < rounds:
            context.monitor.flush()
            kept.save()
            saved_at = time.monotonic()


def _drawn_order(count: int, seed: int) -> Tensor:
    """Draws in which order images are divided, int64 [count]: late rounds are held out as often as early ones."""
    # Raw counter output is specified bit for bit; what NumPy makes of it may change by version.
    keys = np.random.Philox(stream_seed(seed, "split")).random_raw(count)
    return torch.from_numpy(np.argsort(keys, kind="stable"))


@torch.inference_mode()
def _labels(context: TrainingContext, request: PoolRequest, images: Tensor, handle: PhaseHandle) -> Tensor:
    """Returns the teacher's label of every image, int64 [N] on the CPU."""
    options, teacher = context.data.options, request.teacher.eval()

    labels = []
    for start in range(0, len(images), _LABELLED_AT_ONCE):
        part = images[start : start + _LABELLED_AT_ONCE]
        batch = normalise(part.to(context.device), options.mean, options.std)
        logits: Tensor = teacher(batch.contiguous(memory_format=torch.channels_last))
        labels.append(logits.argmax(1).cpu())
        flops = len(part) * request.teacher_flops
        handle.add_work(len(part), flops=flops, forward_flops=flops)
    return torch.cat(labels)


def _record(
    request: PoolRequest, folder: Path, size: PoolSize, synthesiser: Synthesiser, labels: Tensor, classes: int
) -> PoolRecord:
    counts = torch.bincount(labels[: size.images], minlength=classes)
    return PoolRecord(
        key=folder.name,
        transfer=str(request.config["name"]),
        images=size.images,
        held_out=size.held_out,
        rounds=rounds_of(synthesiser, size),
        work_images=planned_work(synthesiser, size),
        class_counts=tuple(counts.tolist()),
        made_by=request.campaign_id,
    )
