"""The end of a campaign: choose on the validation part, test, measure inference, close the record."""

import logging
from functools import partial
from pathlib import Path

from torch import nn

from greenkd.campaign.budget import stopped_message
from greenkd.campaign.context import Context
from greenkd.campaign.inference import WINDOW_S, measure_inference
from greenkd.campaign.trials import TrialRunner
from greenkd.records import CampaignStatus, Phase, TestResult, TrialRow, TrialStatus, choose_trial
from greenkd.teacher.cache import Teacher
from greenkd.teacher.logit_bank import costs_alone, costs_paid
from greenkd.temperature import StrategyStudy
from greenkd.training.learner import Learner
from greenkd.training.safetensors_io import load_network, save_tensors

log = logging.getLogger(__name__)


def finish(
    context: Context, runner: TrialRunner, study: StrategyStudy, teacher: Teacher | None, bank: Path | None
) -> bool:
    """Chooses, tests and closes the campaign.

    Args:
        context: The campaign, whose trials are over.
        runner: Keeps the trials' weights.
        study: The strategy's.
        teacher: The campaign's, if it has one.
        bank: Folder of the stored logits.

    Returns:
        False if the chosen trial has to be trained again first, because its weights are lost.
    """
    context.update()
    record = context.record
    if record.status is not CampaignStatus.RUNNING:
        context.reporter.campaign_finished(record)  # by another process that shared the trials
        return True
    rows = context.folder.rows()
    chosen = choose_trial(rows)
    failed = [row for row in rows if row.status is TrialStatus.FAILED]
    stopped = context.budget.stopped and not study.finished()
    causes = [f"{len(failed)} of {len(rows)} trials failed"] if failed else []
    if stopped:
        over = sum(row.status is not TrialStatus.INTERRUPTED for row in rows)
        causes.insert(0, stopped_message(over, record.planned_trials))
    message = "; ".join(causes) or None
    changes = _bank_costs(context, bank, rows) | {"budget_stopped": stopped}
    if chosen is None:
        if not stopped:
            message = failed[0].cause if failed else "every trial was pruned"
        status = CampaignStatus.PARTIAL if stopped else CampaignStatus.FAILED
        context.update(status=status, message=message, **changes)
        context.reporter.campaign_finished(context.record)
        return True
    weights = runner.weights(chosen.trial)
    if weights is None:
        log.warning("the weights of the chosen trial %d are lost; training it again", chosen.trial)
        study.again(chosen)
        return False
    # The choice is on record before the test set is opened, so that the one cannot follow the other.
    context.update(
        chosen_trial=chosen.trial,
        chosen_params=chosen.params,
        val_score=chosen.val_score,
        message=message,
        **changes,
    )
    learner = runner.learner()
    tests = _test(context, runner, learner, [row for row in rows if row.status is TrialStatus.COMPLETE])
    load_network(learner.network, weights, f"trial {chosen.trial}")
    measured = _inference(context, learner.network, chosen, teacher)
    context.bench.monitor.flush()
    save_tensors(runner.student_path, weights, {"trial": chosen.trial})
    context.update(
        status=CampaignStatus.PARTIAL if failed or stopped else CampaignStatus.DONE,
        test_score=tests[chosen.trial].score,
        **measured,
    )
    context.folder.tidy()
    context.reporter.campaign_finished(context.record)
    return True


def _bank_costs(context: Context, bank: Path | None, rows: list[TrialRow]) -> dict[str, object]:
    """What the stored logits cost: alone, and really."""
    if bank is None:
        return {}
    recipe, seed = context.settings.training.recipe, context.settings.seed
    images = context.bench.loader(seed, recipe.batch_size).samples * recipe.epochs
    context.bench.monitor.flush()
    alone = costs_alone(bank, images)
    context.reporter.bank_used(alone, sum(row.status is TrialStatus.COMPLETE for row in rows))
    return {
        "logits_costs": alone,
        "logits_paid": costs_paid(bank, context.settings.campaign_id, context.record.created_at),
    }


def _test(context: Context, runner: TrialRunner, learner: Learner, rows: list[TrialRow]) -> dict[int, TestResult]:
    """Opens the test set once, for the last epoch of every complete trial.

    The chosen trial's accuracy is the result. The others' say what the fixed-τ control in a grid gets, and what a
    shorter grid would have got; they are measured after the choice and change nothing in it. Each is on record at
    once, so that a campaign that is killed here, or whose failed trials are run later, tests nothing twice.
    """
    bench, recipe = context.bench, context.settings.training.recipe
    tests = {test.trial: test for test in context.record.tests}
    for row in rows:
        bench.stop.check()
        weights = None if row.trial in tests else runner.weights(row.trial)
        if weights is None:
            if row.trial not in tests:
                log.warning("the weights of trial %d are lost, so it cannot be tested", row.trial)
            continue
        load_network(learner.network, weights, f"trial {row.trial}")
        with bench.monitor.phase(Phase.TEST, trial=row.trial, attempt=row.attempt) as metered:
            score = bench.test(learner.network, recipe)
            flops = len(bench.test) * learner.evaluation_flops
            metered.add_work(len(bench.test), flops=flops, forward_flops=flops)
        tests[row.trial] = TestResult(trial=row.trial, score=score.value, loss=score.loss)
        context.update(tests=tuple(test for _, test in sorted(tests.items())))
    return tests


def _inference(context: Context, student: nn.Module, chosen: TrialRow, teacher: Teacher | None) -> dict[str, object]:
    """Meters what using the chosen student costs, and the teacher."""
    bench, settings = context.bench, context.settings
    size = context.record.student_network
    assert size is not None
    measure = partial(
        measure_inference,
        bench,
        recipe=settings.training.recipe,
        window_s=0.0 if settings.smoke else WINDOW_S,
    )
    own = measure(student, size=size, trial=chosen.trial, attempt=chosen.attempt)
    records: dict[str, object] = {"student_inference": own}
    if teacher is not None:
        records["teacher_inference"] = measure(teacher.network, size=teacher.record.network, trial=None, attempt=0)
    return records
