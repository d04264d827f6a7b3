"""What the students of a campaign learn from: its teacher, and the teacher's outputs, live or stored."""

import dataclasses
import hashlib
from pathlib import Path
from typing import NamedTuple

from greenkd.campaign.context import Context
from greenkd.campaign.settings import Settings
from greenkd.records import EpochRow, Phase
from greenkd.teacher.bn_folding import fold_batch_norms
from greenkd.teacher.cache import Teacher, load_or_train
from greenkd.teacher.live import LiveTeacher
from greenkd.teacher.logit_bank import LogitBank, bank_size_bytes, make_room
from greenkd.training.bench import Bench
from greenkd.training.teacher_source import TeacherSource
from greenkd.training.trainer import PhaseTag


class Signal(NamedTuple):
    """The teacher's outputs as the training loop gets them.

    Attributes:
        outputs: None where the objective needs no teacher.
        bank: Folder of the stored logits; None where none are stored.
        feature_size: Length of the teacher's feature vector; None where no features are distilled.
    """

    outputs: TeacherSource | None
    bank: Path | None
    feature_size: int | None


def stream_key(settings: Settings, bench: Bench, teacher: str) -> str:
    """Hashes what the logits of every epoch are a function of; names the bank's folder.

    Args:
        settings: The campaign's.
        bench: Its data and device.
        teacher: The teacher's key.
    """
    recipe, options = settings.training.recipe, bench.options
    parts = (
        teacher,
        bench.dataset.fingerprint,
        dataclasses.asdict(options.augmentation),
        (options.mean, options.std, options.validation_fraction, options.split_seed),
        (recipe.batch_size, recipe.precision, settings.seed, bench.device.type),
        settings.training.bank_dtype,
        settings.training.fold_teacher,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def load_or_train_teacher(context: Context) -> Teacher | None:
    """Loads the campaign's teacher, or trains it if nobody has; None where the objective needs none.

    Raises:
        BudgetSpentError: Its training would cross a limit.
    """
    settings = context.settings
    source = settings.build_objective().teacher
    if source is None:
        return None
    recipe = settings.training.teacher_recipe()
    context.reporter.teacher_started(settings.name(source), recipe.epochs)

    def watch(row: EpochRow) -> None:
        context.reporter.epoch_finished(row)
        context.budget.epoch_finished(recipe.epochs - row.epoch - 1)

    return load_or_train(
        context.bench,
        settings.config[source],
        where=source,
        recipe=recipe,
        seed=settings.training.teacher.seed,
        cache=settings.cache_dir,
        campaign_id=settings.campaign_id,
        watch=watch,
    )


def make_teacher_source(context: Context, teacher: Teacher | None) -> Signal:
    """Chooses between the live teacher and stored logits, and says why where that is not as set."""
    if teacher is None:
        return Signal(None, None, None)
    settings, training, bench = context.settings, context.settings.training, context.bench
    loader = bench.loader(settings.seed, training.recipe.batch_size)
    network = teacher.network.eval()
    if training.fold_teacher:
        network, why = fold_batch_norms(network, loader.batch(loader.plan(0), 0).images, training.recipe)
        if why is not None:
            context.reporter.note(f"  the teacher's batch norms are not folded: {why}")
    live = LiveTeacher(
        network,
        training.recipe,
        teacher.record.network.forward_flops_per_image or 0.0,
        settings.build_objective().wants_features,
    )
    if live.feature_size is not None or not training.bank:
        if training.bank:
            context.reporter.note(
                f"  {settings.name('objective')} distils features, of which no bank is kept: the teacher runs on every "
                "batch of every trial; training.parallel_mode=lockstep lets it run once for several"
            )
        return Signal(live, None, live.feature_size)
    classes = bench.dataset.num_classes
    needed = bank_size_bytes(loader.samples, classes, training.recipe.epochs, training.bank_dtype)
    limit = int(training.bank_limit_gb * 1e9)
    if needed > limit:
        context.reporter.note(
            f"the teacher's logits would take {needed / 1e9:.1f} GB, more than training.bank_limit_gb="
            f"{training.bank_limit_gb:g}; running the teacher on every batch instead"
        )
        return Signal(live, None, None)
    root = settings.cache_dir / "logits"
    folder = root / stream_key(settings, bench, teacher.record.key)
    make_room(root, needed, limit, keep=folder)
    tag = PhaseTag(bench.monitor, Phase.TEACHER_LOGITS, None, 0)
    bank = LogitBank(folder, live, loader, tag, classes, bench.stop, training.bank_dtype)
    return Signal(bank, folder, None)
