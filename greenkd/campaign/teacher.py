"""What the students of a campaign learn from: its teacher, and the teacher's outputs, live or stored."""

import dataclasses
import hashlib
from pathlib import Path
from typing import NamedTuple

from greenkd.campaign.context import CampaignContext
from greenkd.campaign.settings import Settings
from greenkd.errors import ConfigError
from greenkd.records import EpochRow
from greenkd.teacher.bn_folding import fold_batch_norms
from greenkd.teacher.cache import Teacher, TeacherRequest, load_or_train, teacher_paid
from greenkd.teacher.live import LiveTeacher
from greenkd.teacher.logit_bank import LogitBank, bank_size_bytes, make_room
from greenkd.training.data_module import DataModule
from greenkd.training.teacher_source import TeacherSource


class TeacherOutputsSource(NamedTuple):
    """The teacher's outputs as trainings get them.

    Attributes:
        source: None where the objective needs no teacher.
        bank: Folder of the stored logits; None where none are stored.
        feature_size: Length of the teacher's feature vector; None where no features are distilled.
    """

    source: TeacherSource | None
    bank: Path | None
    feature_size: int | None


def stream_key(settings: Settings, data: DataModule, teacher: str) -> str:
    """Hashes what the logits of every epoch are a function of; names the bank's folder.

    Args:
        settings: The campaign's.
        data: The campaign's, on its device.
        teacher: The teacher's key.
    """
    recipe, options = settings.training.recipe, data.options
    parts = (
        teacher,
        data.dataset.fingerprint,
        dataclasses.asdict(options.augmentation),
        (options.mean, options.std, options.validation_fraction, options.split_seed),
        (recipe.batch_size, recipe.precision, settings.seed, data.device.type),
        settings.training.bank_dtype,
        settings.training.fold_teacher,
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


def load_or_train_teacher(context: CampaignContext) -> Teacher | None:
    """Loads the campaign's teacher, or trains it if nobody has; None where the objective needs none.

    Raises:
        BudgetSpentError: Its training would cross a limit.
    """
    settings, budget = context.settings, context.budget
    source = settings.build_objective().teacher
    if source is None:
        return None

    recipe = settings.training.teacher_recipe()
    context.reporter.teacher_started(settings.network(source).name, recipe.epochs)

    def on_epoch(row: EpochRow) -> None:
        context.reporter.epoch_finished(row)
        budget.epoch_finished(recipe.epochs - row.epoch - 1)

    request = TeacherRequest(
        config=settings.network(source).mapping,
        where=source,
        recipe=recipe,
        seed=settings.training.teacher.seed,
        campaign_id=settings.campaign_id,
        on_epoch=on_epoch,
        before_epoch=budget.before_epoch,
    )
    return load_or_train(context.training, request, settings.cache_dir)


def prepare_teacher(context: CampaignContext) -> Teacher | None:
    """Loads or trains the campaign's teacher, and puts on record which it is and what it cost this campaign.

    Raises:
        BudgetSpentError: Its training would cross a limit.
        ConfigError: The campaign was begun with other weights.
    """
    teacher = load_or_train_teacher(context)
    if teacher is None:
        return None

    before = context.record.teacher_result
    if before is not None and before.key != teacher.record.key:
        raise ConfigError(
            f"{context.folder.path}: was begun with other weights than "
            f"{context.settings.build_objective().teacher}.weights now holds; "
            "give sweep=<new name>, or the file another name"
        )

    paid = teacher_paid(teacher, context.settings.campaign_id, context.record.created_at)
    context.reporter.teacher_ready(teacher.record, paid)
    context.update(teacher_result=teacher.record, teacher_paid=paid)
    return teacher


def make_teacher_source(context: CampaignContext, teacher: Teacher | None) -> TeacherOutputsSource:
    """Chooses between the live teacher and stored logits, and says why where that is not as set."""
    if teacher is None:
        return TeacherOutputsSource(None, None, None)

    live = _live_teacher(context, teacher)
    if not _may_be_stored(context, live):
        return TeacherOutputsSource(live, None, live.feature_size)

    # Room for the stream's outputs, under the limit of all streams together
    settings, training = context.settings, context.settings.training
    data = context.training.data
    loader = data.loader(settings.seed, training.recipe.batch_size)
    shape = data.task.output_shape(data.dataset)
    needed = bank_size_bytes(loader.samples, shape, training.recipe.epochs, training.bank_dtype)
    limit = int(training.bank_limit_gb * 1e9)
    if needed > limit:
        context.reporter.note(
            f"the teacher's logits would take {needed / 1e9:.1f} GB, more than training.bank_limit_gb="
            f"{training.bank_limit_gb:g}; running the teacher on every batch instead"
        )
        return TeacherOutputsSource(live, None, None)

    root = settings.cache_dir / "logits"
    folder = root / stream_key(settings, data, teacher.record.key)
    make_room(root, needed, limit, keep=folder)
    monitor, stop = context.training.monitor, context.training.stop
    bank = LogitBank(folder, live, loader, monitor, shape, stop, training.bank_dtype)
    return TeacherOutputsSource(bank, folder, None)


def _live_teacher(context: CampaignContext, teacher: Teacher) -> LiveTeacher:
    """Returns what runs the teacher on a batch, its batch norms folded where that is asked for and possible."""
    settings, training = context.settings, context.settings.training
    network = teacher.network.eval()
    if training.fold_teacher:
        loader = context.training.data.loader(settings.seed, training.recipe.batch_size)
        images = loader.batch(loader.plan(0), 0).images
        network, why_not = fold_batch_norms(network, images, training.recipe)
        if why_not is not None:
            context.reporter.note(f"  the teacher's batch norms are not folded: {why_not}")

    flops = teacher.record.network.forward_flops_per_image or 0.0
    return LiveTeacher(network, training.recipe, flops, settings.build_objective().wants_features)


def _may_be_stored(context: CampaignContext, live: LiveTeacher) -> bool:
    """Tells whether a bank is wanted and can hold all that the objective needs; features it does not hold."""
    if not context.settings.training.bank:
        return False
    if live.feature_size is None:
        return True

    context.reporter.note(
        f"  {context.settings.objective.name} distils features, of which no bank is kept: the teacher runs on every "
        "batch of every trial; training.parallel_mode=lockstep lets it run once for several"
    )
    return False
