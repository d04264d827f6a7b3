"""Trainings in lockstep: several students of one campaign in one process, step by step on the same batches.

All trials of a seed see the same views in the same order, so one batch is made, and the teacher asked once, for all of
them. That is the way where the teacher's logits cannot be stored: where features are distilled, or the bank does not
fit. Each student's step is the one it makes alone, so results are the same to the last bit. What they cost together is
divided equally among them, for they are of one architecture; what is spent on one alone (validation, checkpoints after
an epoch) is on its own bill.
"""

from collections.abc import Iterator, Sequence

from greenkd.errors import TrainingInterruptedError
from greenkd.training.trainer import Fit, FitResult

Outcome = FitResult | Exception


def train_in_lockstep(fits: Sequence[Fit]) -> Iterator[tuple[Fit, Outcome]]:
    """Trains students side by side.

    Args:
        fits: Trainings of one campaign: the same loader, recipe, teacher, monitor and stop flag. Those that resume from
            different steps catch up first.

    Yields:
        Each training when it has ended, with its result or what it died of. The others go on; but where a stop was
        asked for, all end with a `TrainingInterruptedError`, their checkpoints written.
    """
    running: list[Fit] = []
    for fit in fits:
        try:
            result = fit.begin()
        except Exception as error:  # whatever one training dies of, the others go on
            yield fit, error
            continue
        if result is None:
            running.append(fit)
        else:
            yield fit, result
    while running:
        group, until = _next_segment(running)
        try:
            ended = _make_steps(group, until)
        except TrainingInterruptedError as error:
            yield from [(fit, _saved(fit, error)) for fit in running]
            return
        except Exception as error:  # the teacher's, or the monitor's: it hits all of the group
            ended = {id(fit): error for fit in group}
        for fit in group:
            outcome: Outcome | None = ended.get(id(fit))
            if outcome is None and fit.position.step == fit.loader.steps:
                outcome = _end_epoch(fit)
            if outcome is not None:
                running.remove(fit)
                yield fit, outcome


def _next_segment(running: Sequence[Fit]) -> tuple[list[Fit], int]:
    """Returns the trainings that are furthest behind, and the step up to which they are alone with each other."""
    first = min((fit.position.epoch, fit.position.step) for fit in running)
    group = [fit for fit in running if (fit.position.epoch, fit.position.step) == first]
    ahead = [fit.position.step for fit in running if fit.position.epoch == first[0] and fit.position.step > first[1]]
    return group, min(ahead, default=running[0].loader.steps)


def _make_steps(group: Sequence[Fit], until: int) -> dict[int, Exception]:
    """Makes the steps of one epoch up to one of them; returns what some trainings died of, by identity.

    As soon as one dies the others return early, so that it pays for no step it does not make.
    """
    first = group[0]
    epoch, loader, teacher, tag = first.position.epoch, first.loader, first.teacher, first.tag
    trials = {_trial(fit): fit.tag.attempt for fit in group}
    with tag.monitor.joint_phase(tag.phase, trials=trials) as metered:
        plan = loader.plan(epoch)
        if teacher is not None:
            teacher.begin_epoch(epoch, plan)
        for fit in group:
            fit.begin_steps()
        share = teacher.flops_per_image / len(group) if teacher else 0.0
        members = [(fit, metered[_trial(fit)].add_work) for fit in group]
        died: dict[int, Exception] = {}
        for step in range(first.position.step, until):
            first.stop.check()
            batch = loader.batch(plan, step)
            outputs = teacher.outputs(batch, loader.rows(step)) if teacher else None
            for fit, add_work in members:
                try:
                    fit.step(batch, outputs, add_work, share)
                except Exception as error:  # whatever one training dies of, the others go on
                    died[id(fit)] = error
            if died:
                break
    return died


def _trial(fit: Fit) -> int:
    if fit.tag.trial is None:
        raise ValueError("only trials can be trained in lockstep, for their bills are told apart by their numbers")
    return fit.tag.trial


def _end_epoch(fit: Fit) -> Outcome | None:
    try:
        return fit.end_epoch()
    except Exception as error:  # whatever one training dies of, the others go on
        return error


def _saved(fit: Fit, stop: TrainingInterruptedError) -> Exception:
    try:
        fit.save()
    except Exception as error:
        return error
    return stop
