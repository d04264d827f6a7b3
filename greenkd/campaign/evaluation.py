"""The end of a campaign: choose on the validation split, test, measure inference, close the record."""

import logging
from functools import partial

from torch import nn

from greenkd.campaign.budget import stopped_message
from greenkd.campaign.context import CampaignContext
from greenkd.campaign.inference import WINDOW_S, measure_inference
from greenkd.campaign.spending import FinishPlan
from greenkd.campaign.teacher import TeacherOutputsSource
from greenkd.campaign.transfer import synthesis_costs
from greenkd.campaign.trials import TrialRunner
from greenkd.errors import StorageError
from greenkd.records import (
    CampaignStatus,
    Costs,
    LedgerRow,
    NetworkRecord,
    Phase,
    Selected,
    TestResult,
    TrialRow,
    TrialStatus,
    add_costs,
    append_row,
    choose_trial,
    read_rows,
)
from greenkd.records.correctness import FILE as CORRECTNESS_FILE
from greenkd.records.correctness import correctness_row
from greenkd.records.examples import write_examples
from greenkd.records.metering import own_terms
from greenkd.teacher.cache import Teacher
from greenkd.teacher.logit_bank import costs_alone, costs_paid
from greenkd.temperature import StrategyStudy
from greenkd.training.backend.threads import use_threads
from greenkd.training.learner import Learner
from greenkd.training.network_weights import load_network
from greenkd.training.safetensors_io import save_tensors

log = logging.getLogger(__name__)


def close_campaign(
    context: CampaignContext,
    runner: TrialRunner,
    study: StrategyStudy,
    teacher: Teacher | None,
    outputs: TeacherOutputsSource,
) -> None:
    """Chooses, tests and closes the campaign; `context.record` says how it ended.

    Args:
        context: The campaign, whose trials are over.
        runner: Keeps the trials' weights.
        study: The strategy's.
        teacher: The campaign's, if it has one.
        outputs: The teacher's, which may have been stored.

    Raises:
        StorageError: The chosen trial's weights have vanished, or something cannot be written.
    """
    # Another process that shared the trials may have closed it meanwhile.
    context.update()
    if context.record.status is not CampaignStatus.RUNNING:
        context.reporter.campaign_finished(context.record)
        return

    # What became of the trials
    rows = context.folder.rows()
    chosen = choose_trial(rows)
    failed = [row for row in rows if row.status is TrialStatus.FAILED]
    stopped = context.budget.stopped and not study.finished()
    message = _message(context, rows, failed, stopped)
    changes = _logits_costs(context, outputs, rows) | synthesis_costs(context) | {"budget_stopped": stopped}
    if chosen is None:
        if not stopped:
            message = failed[0].cause if failed else "every trial was pruned"
        status = CampaignStatus.PARTIAL if stopped else CampaignStatus.FAILED
        context.update(status=status, message=message, **changes)
        context.run_log.campaign_finished()
        context.reporter.campaign_finished(context.record)
        return

    # The choice is on record before the test set is opened, so that the one cannot follow the other.
    weights = runner.weights(chosen.trial)
    if weights is None:
        raise StorageError(
            f"{runner.weights_path(chosen.trial)}: the weights of the chosen trial have vanished; run the same command "
            "again, which trains it again"
        )
    context.update(
        chosen_trial=chosen.trial,
        chosen_params=chosen.params,
        val_score=chosen.val_score,
        message=message,
        **changes,
    )

    # Test and inference
    learner, recipe = runner.learner(), context.settings.training.recipe
    use_threads(context.training.threads, learner.evaluation_flops * recipe.batch_size)  # none may have trained here
    complete = [row for row in rows if row.status is TrialStatus.COMPLETE]
    tests = _test(context, runner, learner, complete)
    load_network(learner.network, weights, f"trial {chosen.trial}")
    measured = _inference(context, learner.network, chosen, teacher)
    _keep_examples(context, learner.network, teacher)
    context.training.monitor.flush()

    # Student and record
    save_tensors(runner.student_path, weights, {"trial": chosen.trial})
    context.update(
        status=CampaignStatus.PARTIAL if failed or stopped else CampaignStatus.DONE,
        test_score=tests[chosen.trial].score,
        **measured,
    )
    context.folder.tidy()
    context.run_log.campaign_finished()
    context.reporter.campaign_finished(context.record)


def finish_plan(context: CampaignContext) -> FinishPlan:
    """Returns what `close_campaign` will do that costs anything, for the budget to hold back."""
    teacher = context.record.teacher_result
    networks = [context.record.student_network, None if teacher is None else teacher.network]
    flops = tuple(network.forward_flops_per_image or 0.0 for network in networks if network is not None)
    data = context.training.data
    others = sum(map(len, data.selections.values()))
    return FinishPlan(len(data.test), _window_s(context), flops, others)


def _window_s(context: CampaignContext) -> float:
    return 0.0 if context.settings.smoke else WINDOW_S


def _message(context: CampaignContext, rows: list[TrialRow], failed: list[TrialRow], stopped: bool) -> str | None:
    """Returns what kept the campaign from being complete; None if nothing did."""
    causes = []
    if stopped:
        ended = sum(row.status.has_ended for row in rows)
        causes.append(stopped_message(ended, context.record.planned_trials))
    if failed:
        causes.append(f"{len(failed)} of {len(rows)} trials failed")
    return "; ".join(causes) or None


def _logits_costs(context: CampaignContext, outputs: TeacherOutputsSource, rows: list[TrialRow]) -> dict[str, object]:
    """Returns what the stored logits cost: as this campaign would have paid alone, and what it really paid.

    Trials of one seed share what is stored; those of other seeds have each their own.
    """
    settings, record = context.settings, context.record
    if outputs.bank(settings.seed) is None:
        return {}

    rows_of: dict[int, list[TrialRow]] = {} if rows else {settings.seed: []}
    for row in rows:
        rows_of.setdefault(settings.strategy.trial_seed(settings.seed, row.params), []).append(row)

    # Each stream alone
    recipe = settings.training.recipe
    images = context.training.data.loader(settings.seed, recipe.batch_size).samples * recipe.epochs
    context.training.monitor.flush()
    own = own_terms(read_rows(context.folder.path / "ledger.jsonl", LedgerRow).rows)
    if own is None:
        return {"logits_costs": None, "logits_paid": None}

    alone: list[Costs] = []
    paid: list[Costs] = []
    meters: set[str] = set()
    for seed, users in rows_of.items():
        bank = outputs.bank(seed)
        assert bank is not None
        unfinished = seed != settings.seed and not any(row.status.has_ended for row in users)
        priced = costs_alone(bank, images, own, at_most_computed=unfinished)
        if priced is not None:
            alone.append(priced[0])
            meters |= set(priced[1])
        paid += filter(None, [costs_paid(bank, settings.campaign_id, record.created_at, own)])

    # All of them
    needed = add_costs(alone) if alone else None
    complete = sum(row.status is TrialStatus.COMPLETE for row in rows)
    context.reporter.bank_used(needed, complete, streams=len(rows_of))
    return {
        "logits_costs": needed,
        "logits_metered_by": tuple(sorted(meters)),
        "logits_paid": add_costs(paid) if paid else None,
    }


def _test(
    context: CampaignContext, runner: TrialRunner, learner: Learner, rows: list[TrialRow]
) -> dict[int, TestResult]:
    """Opens the test set once, for the last epoch of every complete trial.

    The chosen trial's score is the result. The others' say what the fixed-τ control in a grid gets, and what a shorter
    grid would have got; they are measured after the choice and change nothing in it. Each is on record at once, so that
    a campaign that is killed here, or whose failed trials are run later, tests nothing twice. Where τ can be chosen in
    several ways, what each of them sees of the trial is measured beside the test.

    Returns:
        The results on record, by trial.
    """
    training, recipe = context.training, context.settings.training.recipe
    split = training.data.test
    tests = {test.trial: test for test in context.record.tests}
    for row in rows:
        training.stop.check()
        if row.trial in tests:
            continue
        weights = runner.weights(row.trial)
        if weights is None:
            log.warning("the weights of trial %d are lost, so it cannot be tested", row.trial)
            continue

        load_network(learner.network, weights, f"trial {row.trial}")
        with training.monitor.phase(Phase.TEST, trial=row.trial, attempt=row.attempt) as handle:
            score = split.examine(learner.network, recipe)
            selections = {name: other(learner.network, recipe) for name, other in training.data.selections.items()}
            images = len(split) + sum(map(len, training.data.selections.values()))
            flops = images * learner.evaluation_flops
            handle.add_work(images, flops=flops, forward_flops=flops)

        if score.correct is not None:
            append_row(context.folder.path / CORRECTNESS_FILE, correctness_row(row.trial, score.correct.numpy()))
        tests[row.trial] = TestResult(
            trial=row.trial,
            score=score.value,
            loss=score.loss,
            calibration_error=score.calibration_error,
            selections={name: Selected(score=s.value, loss=s.loss) for name, s in selections.items()} or None,
            details=None if score.details is None else dict(score.details),
        )
        context.update(tests=tuple(test for _, test in sorted(tests.items())))
    return tests


def _keep_examples(context: CampaignContext, student: nn.Module, teacher: Teacher | None) -> None:
    """Writes what teacher and chosen student find in a few test images, where the task has such a thing to show."""
    networks = {"student": student} if teacher is None else {"teacher": teacher.network, "student": student}
    training = context.training
    with training.monitor.phase(Phase.OVERHEAD):
        examples = training.data.test.examples(networks, context.settings.training.recipe)
    if examples is not None:
        write_examples(context.folder.path, examples)


def _inference(
    context: CampaignContext, student: nn.Module, chosen: TrialRow, teacher: Teacher | None
) -> dict[str, object]:
    """Meters what using the chosen student costs, and the teacher."""
    settings, size = context.settings, context.record.student_network
    assert size is not None
    measure = partial(
        measure_inference,
        context.training,
        recipe=settings.training.recipe,
        window_s=_window_s(context),
    )

    def passes(network: NetworkRecord, networks: int) -> int | None:
        flops = len(context.training.data.test) * (network.forward_flops_per_image or 0.0)
        return context.budget.passes_left(flops, networks)

    most = passes(size, 1 if teacher is None else 2)
    records: dict[str, object] = {
        "student_inference": measure(student, size=size, trial=chosen.trial, attempt=chosen.attempt, most_passes=most)
    }
    if teacher is not None:
        teacher_size = teacher.record.network
        records["teacher_inference"] = measure(
            teacher.network, size=teacher_size, trial=None, attempt=0, most_passes=passes(teacher_size, 1)
        )
    return records
