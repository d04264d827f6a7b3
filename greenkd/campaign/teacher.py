"""What the students of a campaign learn from: its teacher, and the teacher's outputs, live or stored."""

import dataclasses
import hashlib
from pathlib import Path

from greenkd.campaign.context import CampaignContext
from greenkd.campaign.settings import Settings
from greenkd.errors import ConfigError
from greenkd.objectives.teacher_anchors import kept_shape
from greenkd.records import EpochRow, TeacherRecord
from greenkd.teacher.bn_folding import fold_batch_norms
from greenkd.teacher.cache import Teacher, TeacherRequest, load_or_train, teacher_paid
from greenkd.teacher.live import LiveTeacher
from greenkd.teacher.logit_bank import LogitBank, bank_size_bytes, make_room
from greenkd.teacher.seen_validation import seen_validation
from greenkd.training.backend.threads import resolve_threads
from greenkd.training.context import TrainingContext
from greenkd.training.teacher_source import TeacherSource


class TeacherOutputsSource:
    """The teacher's outputs as trainings get them: run on every batch, or stored for each stream of batches.

    Trainings of one seed see one stream of batches, and share what is stored of it. `make_teacher_source` makes one.

    Args:
        context: The campaign.
        live: Runs the teacher; None where the objective needs none.
        teacher: The teacher's key, where its logits are to be stored; None: they are not.
    """

    def __init__(self, context: CampaignContext, live: LiveTeacher | None, teacher: str | None) -> None:
        self._context = context
        self._live = live
        self._teacher = teacher
        self._banks: dict[int, LogitBank] = {}  # of the campaign's own seed; others are used by a single training

    @property
    def feature_size(self) -> int | None:
        """Length of the teacher's feature vector; None where no features are distilled."""
        return None if self._live is None else self._live.feature_size

    def source(self, seed: int) -> TeacherSource | None:
        """Returns where the outputs come from for trainings of one seed; None where the objective needs no teacher."""
        folder = self.bank(seed)
        if self._live is None or folder is None:
            return self._live
        if seed in self._banks:
            return self._banks[seed]

        # Room for the stream's outputs, under the limit of all streams together
        context, training = self._context, self._context.settings.training
        make_room(folder.parent, _bank_size_bytes(context), _limit_bytes(context), keep=folder)

        data = context.training.data
        bank = LogitBank(
            folder,
            self._live,
            data.loader(seed, training.recipe.batch_size),
            context.training.monitor,
            _stored_shape(context),
            context.training.stop,
            training.bank_dtype,
            context.training.locks,
        )
        if seed == context.settings.seed:
            self._banks[seed] = bank
        return bank

    def bank(self, seed: int) -> Path | None:
        """Returns the folder of the logits that are stored for trainings of one seed; None where none are stored."""
        if self._teacher is None:
            return None
        settings, training = self._context.settings, self._context.training
        return settings.cache_dir / "logits" / stream_key(settings, training, self._teacher, seed)


def stream_key(settings: Settings, context: TrainingContext, teacher: str, seed: int | None = None) -> str:
    """Hashes what the logits of every epoch are a function of; names the bank's folder.

    Args:
        settings: The campaign's.
        context: Data, networks and device of the campaign.
        teacher: The teacher's key.
        seed: Of data order and augmentation; None: the campaign's.
    """
    recipe, data = settings.training.recipe, context.data
    options = data.options

    # The teacher is run by the threads of the student's training, which is one for small students.
    forward_flops = context.networks.forward_flops(settings.student.mapping, "student") * recipe.batch_size
    threads = resolve_threads(settings.threads, forward_flops)
    anchors = settings.build_objective().teacher_anchors

    parts = (
        teacher,
        data.fingerprint,
        dataclasses.asdict(options.augmentation),
        (options.mean, options.std, options.validation_fraction, options.split_seed),
        (recipe.batch_size, recipe.precision, settings.seed if seed is None else seed, data.device.type),
        settings.training.bank_dtype,
        settings.training.fold_teacher,
        *(() if threads == 1 else (threads,)),
        *(() if anchors is None else (f"{anchors} anchors",)),
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

    budget.begin_teacher()
    recipe = settings.training.teacher_recipe()
    images = len(context.training.data.train.labels)
    context.reporter.teacher_started(settings.network(source).name, recipe.epochs, images)

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
        before_step=budget.before_step,
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
    _name_seen_validation(context, teacher.record)
    context.update(teacher_result=teacher.record, teacher_paid=paid)
    return teacher


def _name_seen_validation(context: CampaignContext, record: TeacherRecord) -> None:
    """Says where given weights have been trained on the images that validate here."""
    data = context.training.data
    if record.trained_by != "given" or data.task.metric.name != "accuracy":
        return

    seen = seen_validation(record.val_score, len(data.validation), record.test_score, len(data.test))
    if seen is not None:
        context.reporter.warn(f"  {context.settings.build_objective().teacher}.weights: {seen}")


def make_teacher_source(context: CampaignContext, teacher: Teacher | None) -> TeacherOutputsSource:
    """Chooses between the live teacher and stored logits, and says why where that is not as set."""
    if teacher is None:
        return TeacherOutputsSource(context, None, None)

    live = _live_teacher(context, teacher)
    if not _may_be_stored(context, live):
        return TeacherOutputsSource(context, live, None)

    needed = _bank_size_bytes(context)
    if needed > _limit_bytes(context):
        context.reporter.note(
            f"the teacher's logits would take {needed / 1e9:.1f} GB, more than training.bank_limit_gb="
            f"{context.settings.training.bank_limit_gb:g}; running the teacher on every batch instead"
        )
        return TeacherOutputsSource(context, live, None)
    return TeacherOutputsSource(context, live, teacher.record.key)


def _bank_size_bytes(context: CampaignContext) -> int:
    """Returns the size of what is stored of one stream of batches; it is the same for all."""
    training, data = context.settings.training, context.training.data
    loader = data.loader(context.settings.seed, training.recipe.batch_size)
    return bank_size_bytes(loader.samples, _stored_shape(context), training.recipe.epochs, training.bank_dtype)


def _stored_shape(context: CampaignContext) -> tuple[int, ...]:
    """Returns the shape of what a bank holds of one image."""
    data = context.training.data
    return kept_shape(data.task.output_shape(data.dataset), context.settings.build_objective().teacher_anchors)


def _limit_bytes(context: CampaignContext) -> int:
    return int(context.settings.training.bank_limit_gb * 1e9)


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
    objective = settings.build_objective()
    return LiveTeacher(network, training.recipe, flops, objective.wants_features, objective.teacher_anchors)


def _may_be_stored(context: CampaignContext, live: LiveTeacher) -> bool:
    """Tells whether a bank is wanted and can hold all that the objective needs; features it does not hold."""
    if not context.settings.training.bank:
        return False
    if context.growth is not None:
        context.reporter.note("  every trial sees images of its own, of which no bank is kept: the teacher runs on all")
        return False
    if live.feature_size is None:
        return True

    context.reporter.note(
        f"  {context.settings.objective.name} distils features, of which no bank is kept: the teacher runs on every "
        "batch of every trial; training.parallel_mode=lockstep lets it run once for several"
    )
    return False
