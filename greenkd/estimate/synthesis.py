"""What making the images of a pool will take: some steps are timed, the FLOPs are known beforehand."""

import time

import torch
from torch import nn

from greenkd.campaign.settings import Settings
from greenkd.data import Images
from greenkd.estimate import stopwatch
from greenkd.estimate.stopwatch import NO_WORK, Work
from greenkd.synthesis import Transfer
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
    teacher = teacher or given_key(context, settings.network(source).mapping, recipe)
    key = pool_key(transfer, settings.transfer.mapping, context.data, teacher, pool_size(transfer, context.data))
    return key, not (settings.cache_dir / "pools" / key / "pool.json").exists()


def synthesis_flops(transfer: Transfer, context: TrainingContext, teacher: nn.Module, forward_flops: float) -> float:
    """Returns the FLOPs of a whole pool.

    Args:
        transfer: Which images.
        context: The data set.
        teacher: Trained or not.
        forward_flops: Of its forward pass.
    """
    synthesiser = transfer.synthesiser(synthesis_setup(context, teacher, transfer.seed))
    return planned_flops(synthesiser, pool_size(transfer, context.data), forward_flops)


def time_synthesis(settings: Settings, context: TrainingContext, teacher: nn.Module) -> Work:
    """Times some steps; returns what all steps of a pool take, without its labels.

    Args:
        settings: The campaign's.
        context: Its data set and device.
        teacher: Trained or not.
    """
    transfer = settings.build_transfer()
    if transfer is None:
        return NO_WORK

    synthesiser = transfer.synthesiser(synthesis_setup(context, teacher, transfer.seed))
    use_threads(context.threads, synthesiser.flops(0).training * synthesiser.batch_size)
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
    return per_step.times(rounds * synthesiser.steps)
