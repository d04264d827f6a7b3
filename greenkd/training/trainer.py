"""The training loop, for a group of trainings that make the same steps together; a training alone is a group of one.

Several students of one campaign are trained in lockstep: trials of one seed see the same views in the same order, so
one batch is made, and the teacher asked once, for all of them. That is the way where the teacher's logits cannot be
stored: where features are distilled, or the bank does not fit. Each student's step is the one it makes alone, so
results are the same to the last bit. What they cost together is divided equally among them, for they are of one
architecture; what is spent on one alone (validation, checkpoints after an epoch) is recorded as its own.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from greenkd.energy import PhaseHandle
from greenkd.errors import TrainingInterruptedError
from greenkd.training.training import Training, TrainingResult

Ending = TrainingResult | Exception
"""How a training ended: with a result, or with what it died of."""


def train_one(training: Training) -> TrainingResult:
    """Trains one network to its last epoch.

    Raises:
        TrainingInterruptedError: A stop was asked for; a checkpoint of the last step is on disk.
        TrainingDivergedError: The loss became NaN or infinite.
    """
    ((_, ending),) = train([training])
    if isinstance(ending, Exception):
        raise ending
    return ending


def train(trainings: Sequence[Training]) -> Iterator[tuple[Training, Ending]]:
    """Trains networks side by side, to their last epochs.

    Args:
        trainings: Of one context and recipe. Those that resume from different steps catch up first. Those of
            different loaders have no batch in common, so those of one loader follow those of another.

    Yields:
        Each training when it has ended, with its result or what it died of. The others go on; but where a stop was
        asked for, all end with a `TrainingInterruptedError`, their checkpoints written.
    """
    running: list[Training] = []
    for training in trainings:
        try:
            result = training.begin()
        except Exception as error:  # whatever one training dies of, the others go on
            yield training, error
            continue
        if result is None:
            running.append(training)
        else:
            yield training, result

    while running:
        group, until = _next_segment(running)
        try:
            endings = _make_steps(group, until)
        except TrainingInterruptedError as error:
            yield from [(training, _saved(training, error)) for training in running]
            return
        except Exception as error:  # the teacher's, or the monitor's: it hits all of the group
            endings = {id(training): error for training in group}

        for training in group:
            ending = endings.get(id(training))
            if ending is None and training.position.step == training.loader.steps:
                ending = _end_epoch(training)
            if ending is not None:
                running.remove(training)
                yield training, ending


def _next_segment(running: Sequence[Training]) -> tuple[list[Training], int]:
    """Returns the trainings that are furthest behind, and the step up to which they are alone with each other."""
    sharing = [training for training in running if training.loader is running[0].loader]
    places = [(training.position.epoch, training.position.step) for training in sharing]
    epoch, step = min(places)

    group = [training for training, place in zip(sharing, places, strict=True) if place == (epoch, step)]
    steps_ahead = [other_step for other_epoch, other_step in places if other_epoch == epoch and other_step > step]
    return group, min(steps_ahead, default=group[0].loader.steps)


def _make_steps(group: Sequence[Training], until: int) -> dict[int, Ending]:
    """Makes the steps of one epoch up to one of them.

    As soon as a training dies the others return early, so that it pays for no step it does not make.

    Returns:
        By identity, the trainings that ended on the way.
    """
    first = group[0]
    epoch, loader, teacher, stop = first.position.epoch, first.loader, first.teacher, first.context.stop
    endings: dict[int, Ending] = {}
    for training in group:
        training.before_epoch()
        training.grow()

    with _joint_phase(group) as handles:
        plan = loader.plan(epoch)
        if teacher is not None:
            teacher.begin_epoch(epoch, plan)
        for training in group:
            training.begin_steps()

        teacher_flops = teacher.flops_per_image / len(group) if teacher else 0.0
        for step in range(first.position.step, until):
            stop.check()
            batch = loader.batch(plan, step)
            outputs = teacher.outputs(batch, loader.rows(step)) if teacher else None
            for training, handle in zip(group, handles, strict=True):
                if not training.before_step():
                    endings[id(training)] = training.result(stopped_early=True)
                    continue
                try:
                    training.step(batch, outputs, handle, teacher_flops)
                except Exception as error:  # whatever one training dies of, the others go on
                    endings[id(training)] = error
            if endings:
                break
    return endings


@contextmanager
def _joint_phase(group: Sequence[Training]) -> Iterator[list[PhaseHandle]]:
    """Records a block as spent by all trainings of a group, in equal shares.

    Yields:
        What takes each training's work, in their order.
    """
    first = group[0]
    if len(group) == 1:
        with first.phase(first.tag.phase) as handle:
            yield [handle]
        return

    attempts = {training.tag.trial: training.tag.attempt for training in group if training.tag.trial is not None}
    if len(attempts) < len(group):
        raise ValueError("only trials can be trained in a group: the ledger tells them apart by their numbers")
    with first.context.monitor.joint_phase(first.tag.phase, trials=attempts) as handles:
        yield list(handles.values())


def _end_epoch(training: Training) -> Ending | None:
    try:
        return training.end_epoch()
    except Exception as error:  # whatever one training dies of, the others go on
        return error


def _saved(training: Training, stop: TrainingInterruptedError) -> Exception:
    """Writes a checkpoint; returns how the training ended."""
    try:
        training.save()
    except Exception as error:
        return error
    return stop
