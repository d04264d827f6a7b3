"""What making the images of a pool will take: some steps are timed, the FLOPs are known beforehand."""

import dataclasses
import math
import time

import torch
from torch import nn

from greenkd.campaign.settings import Settings
from greenkd.data import Images
from greenkd.energy.flops import count_flops_to_images
from greenkd.estimate import stopwatch
from greenkd.estimate.stopwatch import NO_WORK, Work
from greenkd.synthesis.making import planned_flops, rounds_of, synthesis_setup
from greenkd.synthesis.request import pool_key, pool_size
from greenkd.teacher.given_weights import given_key
from greenkd.training.backend.threads import use_threads
from greenkd.training.context import TrainingContext
from greenkd.training.data_module import DataModule
from greenkd.training.student_data import StudentData

# Steps whose time is not counted, since they choose kernels and fill the allocator.
_WARM_UP_STEPS = 2


class _EnoughSeenError(Exception):
    """Ends a round in which enough steps have been timed."""


def stand_in_data(settings: Settings, data: DataModule, pool: str = "black") -> DataModule:
    """Returns data that cost a student what a campaign's will: as many images, all black, if those are not the real.

    Args:
        settings: The campaign's.
        data: The data set.
        pool: The pool's key, where what is asked for depends on it.
    """
    transfer = settings.build_transfer()
    if transfer is None:
        return data

    size, first = pool_size(transfer, data), data.dataset.train.images[:1]

    def black(count: int) -> Images:
        return Images(torch.zeros_like(first).repeat(count, 1, 1, 1), torch.arange(count) % data.dataset.num_classes)

    agreement = settings.selection == "agreement"
    return StudentData(data, black(size.images), black(size.held_out), pool, selects_by_agreement=agreement)


def planned_pool(settings: Settings, context: TrainingContext, teacher: str | None) -> tuple[str, bool] | None:
    """Returns the key of a campaign's pool, and whether it is still to be made; None where images are real.

    Args:
        settings: The campaign's.
        context: Its data set.
        teacher: The teacher's key; None where its weights are given.
    """
    transfer, source = settings.build_transfer(), settings.build_objective().teacher
    if transfer is None or source is None:
        return None

    recipe = settings.training.teacher_recipe()
    teacher = teacher or given_key(context, settings.network(source).mapping, source, recipe)
    key = pool_key(transfer, settings.transfer.mapping, context, teacher, pool_size(transfer, context.data))
    return key, not (settings.cache_dir / "pools" / key / "pool.json").exists()


@dataclasses.dataclass(frozen=True)
class SynthesisFlops:
    """FLOPs of making images.

    Attributes:
        pool: The whole pool.
        trial: What comes to it within one trial; 0 where the pool is all there is.
    """

    pool: float
    trial: float


def synthesis_flops(
    settings: Settings, context: TrainingContext, teacher: nn.Module, student: nn.Module
) -> SynthesisFlops:
    """Counts the FLOPs of making images.

    Args:
        settings: The campaign's.
        context: The data set.
        teacher: Trained or not.
        student: Likewise.
    """
    transfer = settings.build_transfer()
    if transfer is None:
        return SynthesisFlops(pool=0.0, trial=0.0)

    setup = synthesis_setup(context, teacher, transfer.seed)
    label = context.networks.flops(teacher).forward
    synthesiser, size = transfer.synthesiser(setup), pool_size(transfer, context.data)
    looked_at = count_flops_to_images(student, setup.image_shape).training

    # Rounds within a trial go on where those of the pool ended.
    first, count = rounds_of(synthesiser, size), settings.training.recipe.epochs * transfer.rounds_per_epoch
    per_image = [
        synthesiser.steps * (synthesiser.flops(number).training + looked_at) + label
        for number in range(first, first + count)
    ]
    return SynthesisFlops(
        pool=planned_flops(synthesiser, size, label), trial=synthesiser.batch_size * math.fsum(per_image)
    )


def time_synthesis(settings: Settings, context: TrainingContext, teacher: nn.Module) -> tuple[Work, Work]:
    """Times some steps; returns what all steps of the pool take, and those within one trial, without the labels.

    Within a trial the student's passes, which are short beside the teacher's, are left out.

    Args:
        settings: The campaign's.
        context: Its data set and device.
        teacher: Trained or not.
    """
    transfer = settings.build_transfer()
    if transfer is None:
        return NO_WORK, NO_WORK

    synthesiser = transfer.synthesiser(synthesis_setup(context, teacher, transfer.seed))
    use_threads(context.threads, synthesiser.flops(0).forward * synthesiser.batch_size)
    size = pool_size(transfer, context.data)
    begun, readings = time.monotonic(), []

    def before_step() -> None:
        context.stop.check()
        readings.append(stopwatch.read(context.device))
        if len(readings) > _WARM_UP_STEPS + 1 and time.monotonic() - begun > stopwatch.PIECE_S:
            raise _EnoughSeenError

    number, rounds = 0, rounds_of(synthesiser, size)
    try:
        while number < rounds:
            synthesiser.make(number, before_step)
            number += 1
    except _EnoughSeenError:
        pass
    readings.append(stopwatch.read(context.device))

    # A round's own overhead is within its steps. Where there are few of them, warm-up counts too.
    first = min(_WARM_UP_STEPS, len(readings) - 2)
    per_step = stopwatch.between(readings[first], readings[-1]).times(1 / (len(readings) - 1 - first))
    within = settings.training.recipe.epochs * transfer.rounds_per_epoch
    return per_step.times(rounds * synthesiser.steps), per_step.times(within * synthesiser.steps)
