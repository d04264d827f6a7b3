"""What the campaigns of one setting cost piece by piece: timed now, or read from the ledgers of earlier ones."""

import dataclasses
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from greenkd.campaign.inference import WINDOW_S
from greenkd.campaign.settings import Settings
from greenkd.errors import RecordError
from greenkd.estimate.pieces import Calibration
from greenkd.estimate.stopwatch import NO_WORK, PIECE_S, Work
from greenkd.records import (
    UNMETERED,
    CampaignRecord,
    CampaignStatus,
    Costs,
    Environment,
    LedgerRow,
    Phase,
    TrialRow,
    TrialStatus,
    read_campaign,
    read_rows,
)
from greenkd.training.bench import Bench

# CPU seconds repeat within 4 % on a busy machine; a range narrower than this would promise too much.
_LEAST_SPREAD = 0.1
# A finished trial's rows in the ledger are of these phases; its test is recorded under it too.
_PHASES_OF_A_FINISHED_TRIAL = (Phase.STUDENT_TRAINING, Phase.VALIDATION, Phase.TEST, Phase.OVERHEAD)


@dataclasses.dataclass(frozen=True)
class Rates:
    """Costs within one setting.

    Attributes:
        setup: Of one campaign, beside its trials.
        trial: Of one trial, its test included.
        end: Of one campaign: the metered inference.
        teacher: Of the teacher's whole training.
        logits: Of all the teacher's logits of one seed.
        low: CPU seconds of the cheapest single measurement over the mean.
        high: CPU seconds of the most expensive single measurement over the mean.
        power: How the energy of such work follows from its seconds.
        source: Where the figures are from, in words.
    """

    setup: Work
    trial: Work
    end: Work
    teacher: Work
    logits: Work
    low: float
    high: float
    power: "Power"
    source: str


@dataclasses.dataclass(frozen=True)
class Power:
    """How energy follows from seconds.

    Attributes:
        per_cpu_s_kwh: The processor's, per CPU second; None where the meter reads none.
        per_s_kwh: Of GPU and memory, per second; None where the meter reads neither.
    """

    per_cpu_s_kwh: float | None
    per_s_kwh: float | None

    def energy_kwh(self, work: Work) -> float | None:
        """Returns the energy of some work; None where nothing is known."""
        parts = ((self.per_cpu_s_kwh, work.cpu_s), (self.per_s_kwh, work.duration_s))
        known = [rate * seconds for rate, seconds in parts if rate is not None]
        return sum(known) if known else None


def power(rows: Sequence[LedgerRow]) -> Power:
    """Takes the mean power of some ledger rows: the processor's by CPU seconds, all else by seconds."""
    valid = [row for row in rows if row.status == "ok"]
    working = [row for row in valid if row.images] or valid

    cpu = [(row.cpu_kwh, row.cpu_s) for row in working if row.cpu_kwh is not None and row.cpu_s]
    other = [
        ((row.gpu_kwh or 0.0) + (row.ram_kwh or 0.0), row.duration_s)
        for row in working
        if row.gpu_kwh is not None or row.ram_kwh is not None
    ]
    return Power(_ratio(cpu), _ratio(other))


def _ratio(pairs: Sequence[tuple[float, float]]) -> float | None:
    total_s = sum(seconds for _, seconds in pairs)
    return sum(kwh for kwh, _ in pairs) / total_s if total_s else None


def from_calibration(calibration: Calibration, settings: Settings, bench: Bench, rows: Sequence[LedgerRow]) -> Rates:
    """Puts timed pieces together.

    Args:
        calibration: The pieces.
        settings: Of a campaign that is made of them.
        bench: Its data.
        rows: What the meter recorded while they were timed.
    """
    recipe, teacher, student = settings.training.recipe, calibration.teacher, calibration.student
    images = len(bench.test)
    samples = bench.loader(settings.seed, recipe.batch_size).samples

    trial = calibration.trial + student.epoch.times(recipe.epochs) + calibration.student_evaluation.times(images)
    window = 0.0 if settings.smoke else WINDOW_S
    end = _inference(calibration.student_evaluation, images, window)

    teacher_training = NO_WORK
    paces = [student]
    if teacher is not None:
        end += _inference(calibration.teacher_evaluation, images, window)
        test = calibration.teacher_evaluation.times(images)
        teacher_training = teacher.epoch.times(settings.training.teacher_recipe().epochs) + test
        paces.append(teacher)

    return Rates(
        setup=calibration.setup,
        trial=trial,
        end=end,
        teacher=teacher_training,
        logits=calibration.logits.times(samples * recipe.epochs) if calibration.logits else NO_WORK,
        low=min(1 - _LEAST_SPREAD, *(pace.low for pace in paces)),
        high=max(1 + _LEAST_SPREAD, *(pace.high for pace in paces)),
        power=power(rows),
        source=f"timed here, {PIECE_S:g} s or a few steps of each network",
    )


def _inference(evaluation: Work, images: int, window_s: float) -> Work:
    """Returns the cost of the metered inference: a warm-up pass over the test set, then passes that fill the window."""
    test = evaluation.times(images)
    passes = 1 + max(1.0, window_s / test.duration_s)
    return test.times(passes)


def from_records(settings: Settings, multirun: Path, here: Environment) -> Rates | None:
    """Reads the rates off finished campaigns of the same setting, machine and meter; None if there is none.

    Args:
        settings: Of a campaign of that setting.
        multirun: The folder that holds the sweeps.
        here: This machine and meter.
    """
    campaigns = _finished_campaigns(settings, multirun, here)
    if not campaigns:
        return None

    ledgers = [read_rows(folder / "ledger.jsonl", LedgerRow).rows for folder, _ in campaigns]
    rows = [row for ledger in ledgers for row in ledger]
    trials_by_campaign = [_trial_costs(folder, ledger) for (folder, _), ledger in zip(campaigns, ledgers, strict=True)]
    trials = [work for works in trials_by_campaign for work in works]
    if not trials or None in [row.cpu_s for row in rows]:
        return None

    counts = [len(works) for works in trials_by_campaign]
    per_campaign, per_trial = _line(counts, [_sum(filter(_is_own_overhead, ledger)) for ledger in ledgers])
    ends = [_sum(row for row in ledger if row.phase in (Phase.INFERENCE, Phase.CALIBRATION)) for ledger in ledgers]
    teachers = [record.teacher_result for _, record in campaigns]
    mean = _mean(trials)
    return Rates(
        setup=per_campaign,
        trial=mean + per_trial,
        end=_mean(ends),
        teacher=_known(None if teacher is None else teacher.costs for teacher in teachers),
        logits=_known(record.logits_costs for _, record in campaigns),
        low=min(1 - _LEAST_SPREAD, *(work.cpu_s / mean.cpu_s for work in trials)),
        high=max(1 + _LEAST_SPREAD, *(work.cpu_s / mean.cpu_s for work in trials)),
        power=power(rows),
        source=f"ledgers of {len(trials)} earlier trials of the same setting, machine and meter",
    )


def _finished_campaigns(settings: Settings, multirun: Path, here: Environment) -> list[tuple[Path, CampaignRecord]]:
    """Returns folders and records of finished campaigns of a setting on this machine, in all sweeps."""
    pair = f"{settings.teacher.name}-{settings.student.name}"
    pattern = f"*/{settings.dataset.name}/{pair}/{settings.objective.name}/*/*/campaign.json"

    finished = [(path.parent, _finished(path)) for path in sorted(multirun.glob(pattern))]
    return [
        (folder, record)
        for folder, record in finished
        if record is not None
        and record.setting_id == settings.setting_id
        and _place(record.environment) == _place(here)
    ]


def _is_own_overhead(row: LedgerRow) -> bool:
    """Tells whether a row is of a campaign's own overhead: not a trial's, and not its share of the command's start."""
    return row.phase is Phase.OVERHEAD and row.trial is None and UNMETERED not in row.warnings


def _finished(path: Path) -> CampaignRecord | None:
    try:
        record = read_campaign(path)
    except RecordError:
        return None
    return record if record.status is CampaignStatus.DONE else None


def _place(environment: Environment) -> tuple[str | None, ...]:
    return environment.cpu, environment.gpu, environment.device, environment.meter


def _trial_costs(folder: Path, rows: Sequence[LedgerRow]) -> list[Work]:
    """Returns the cost of each complete trial of a campaign, all its attempts together."""
    trials = read_rows(folder / "trials.jsonl", TrialRow).rows
    complete = {row.trial for row in trials if row.status is TrialStatus.COMPLETE}

    counted = [row for row in rows if row.phase in _PHASES_OF_A_FINISHED_TRIAL]
    return [_sum(row for row in counted if row.trial == trial) for trial in sorted(complete)]


def _sum(rows: Iterable[LedgerRow]) -> Work:
    total = NO_WORK
    for row in rows:
        total += Work(row.cpu_s or 0.0, row.duration_s)
    return total


def _mean(works: Sequence[Work]) -> Work:
    return Work(statistics.fmean(work.cpu_s for work in works), statistics.fmean(work.duration_s for work in works))


def _line(counts: Sequence[int], overhead: Sequence[Work]) -> tuple[Work, Work]:
    """Divides the overheads of campaigns into a part per campaign and one per trial, by least squares.

    Args:
        counts: Trials of each campaign.
        overhead: What each campaign took beside its trials.
    """
    design = np.stack([np.ones(len(counts)), np.asarray(counts, dtype=float)], axis=1)
    solution = np.maximum(np.linalg.lstsq(design, np.asarray(overhead, dtype=float), rcond=None)[0], 0.0)
    return Work(*solution[0].tolist()), Work(*solution[1].tolist())


def _known(costs: Iterable[Costs | None]) -> Work:
    known = [Work(cost.cpu_s, cost.duration_s) for cost in costs if cost is not None and cost.cpu_s is not None]
    return _mean(known) if known else NO_WORK
