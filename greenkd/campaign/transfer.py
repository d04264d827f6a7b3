"""The images that a campaign's students see: the data set's, or a pool that is made from its teacher."""

import dataclasses

import torch

from greenkd.campaign.context import CampaignContext
from greenkd.campaign.settings import Settings
from greenkd.data import Images
from greenkd.errors import ConfigError
from greenkd.identity import sweep_folder
from greenkd.records import LedgerRow, read_rows
from greenkd.records.metering import own_terms
from greenkd.synthesis.growing import pool_growth
from greenkd.synthesis.pool import Pool, load_or_make
from greenkd.synthesis.request import PoolRequest
from greenkd.synthesis.sheet_copy import copy_sheet
from greenkd.teacher.cache import Teacher
from greenkd.teacher.logit_bank import costs_alone, costs_paid
from greenkd.training.context import TrainingContext
from greenkd.training.student_data import StudentData


def check_transfer(settings: Settings, training: TrainingContext, together: int) -> None:
    """Refuses, before a teacher is trained, one that images cannot be made from, and images that are not there.

    Args:
        settings: The campaign's.
        training: Data and networks of the campaign.
        together: Trials that are trained in lockstep.

    Raises:
        ConfigError: The teacher has no batch norm, the task is not classification, or trials that see images of their
            own are to go in lockstep.
        DataError: The data set that images are taken from is missing or damaged.
    """
    transfer, source = settings.build_transfer(), settings.build_objective().teacher
    if transfer is None or source is None:
        return
    task = training.data.task
    if task.name != "classification":
        raise ConfigError(
            f"transfer={settings.transfer.name}: images are made for classes, and dataset={settings.dataset.name} is "
            f"for {task.name}; take transfer=real"
        )

    if transfer.is_adversarial and together > 1:
        raise ConfigError(
            "transfer.adversarial: every trial sees images of its own, so trials have no batch to share in lockstep; "
            "take training.parallel_trials=1, or training.parallel_mode=processes"
        )

    transfer.source_fingerprint()  # a data set that is missing is named now

    network = settings.network(source)
    if transfer.needs_batch_norm:
        transfer.check_teacher(training.networks.build(network.mapping, source, 0), network.name)


def use_pool(context: CampaignContext, teacher: Teacher | None) -> Pool | None:
    """Loads or makes the images that students see; from here on the campaign's data are these.

    Args:
        context: The campaign; its `training.data` changes.
        teacher: The campaign's.

    Returns:
        The pool; None where students see the data set's images.

    Raises:
        BudgetSpentError: The synthesis would cross a limit.
        ConfigError: Images cannot be made from this teacher, or the campaign was begun with others.
        TrainingInterruptedError: A stop was asked for; the rounds that are done are kept.
    """
    settings, budget = context.settings, context.budget
    transfer = settings.build_transfer()
    if transfer is None or teacher is None:
        return None

    budget.begin_teacher()
    context.reporter.synthesis_started(settings.transfer.name)

    def on_round(number: int, rounds: int) -> None:
        context.reporter.round_finished(number, rounds)
        budget.epoch_finished(rounds - number - 1)

    request = PoolRequest(
        transfer=transfer,
        config=settings.transfer.mapping,
        teacher=teacher.network,
        teacher_key=teacher.record.key,
        teacher_flops=teacher.record.network.forward_flops_per_image or 0.0,
        campaign_id=settings.campaign_id,
        before_round=budget.before_epoch,
        before_step=budget.before_step,
        on_round=on_round,
    )
    pool = load_or_make(context.training, request, settings.cache_dir)
    if transfer.is_adversarial:
        context.growth = pool_growth(context.training, transfer, teacher.network, pool, request.teacher_flops)
    context.training = dataclasses.replace(context.training, data=student_data(settings, context.training, pool))
    return pool


def student_data(settings: Settings, training: TrainingContext, pool: Pool) -> StudentData:
    """Returns the data of students that see a pool's images."""
    agreement, images = settings.selection == "agreement", pool.images
    if settings.smoke:
        # The teacher of a smoke run may see one class in all of them, which leaves a contrast no negatives.
        images = Images(images.images, torch.arange(len(images)) % training.data.dataset.num_classes)
    return StudentData(training.data, images, pool.held_out, pool.record.key, selects_by_agreement=agreement)


def prepare_pool(context: CampaignContext, teacher: Teacher | None) -> None:
    """Uses a pool where one is wanted, says what it is, and puts it and its costs on record.

    Raises:
        GreenkdError: As for `use_pool`.
    """
    pool = use_pool(context, teacher)
    if pool is None:
        return

    before = context.record.pool
    if before is not None and before.key != pool.record.key:
        raise ConfigError(
            f"{context.folder.path}: was begun with other images than transfer={context.settings.transfer.name} now "
            "gives (other weights of the teacher, or other pictures); give sweep=<new name>"
        )

    context.update(pool=pool.record)
    context.update(**synthesis_costs(context))
    copy_sheet(pool, sweep_folder(context.folder.path))
    chosen_on_real = context.settings.selection == "validation" and context.record.planned_trials > 1
    context.reporter.pool_ready(pool.record, context.record.synthesis_paid, chosen_on_real=chosen_on_real)


def synthesis_costs(context: CampaignContext) -> dict[str, object]:
    """Returns what the pool on record cost: as this campaign would have paid alone, and what it really paid."""
    pool = context.record.pool
    if pool is None:
        return {}

    context.training.monitor.flush()
    own = own_terms(read_rows(context.folder.path / "ledger.jsonl", LedgerRow).rows)
    own = own or own_terms(context.training.monitor.rows)
    if own is None:
        return {}

    folder = context.settings.cache_dir / "pools" / pool.key
    alone = costs_alone(folder, pool.work_images, own)
    paid = costs_paid(folder, context.settings.campaign_id, context.record.created_at, own)
    return {
        "synthesis_costs": None if alone is None else alone[0],
        "synthesis_metered_by": None if alone is None else alone[1],
        "synthesis_paid": paid,
    }
