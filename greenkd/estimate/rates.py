"""What the campaigns of one setting cost piece by piece: timed now, or read from the ledgers of earlier ones."""

import dataclasses
import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from greenkd.campaign.inference import WINDOW_S
from greenkd.campaign.settings import Settings
from greenkd.errors import RecordError
from greenkd.estimate.calibration import Calibration
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
from greenkd.training.context import TrainingContext

# CPU seconds repeat within 4 % on a busy machine; a range narrower than this would promise too much.
_LEAST_SPREAD = 0.1
_TRIAL_PHASES = (Phase.STUDENT_TRAINING, Phase.VALIDATION, Phase.TEST, Phase.OVERHEAD)


@dataclasses.dataclass(frozen=True)
class Rates:
    """Costs within one setting.

    Attributes:
        setup: Of one campaign, beside its trials.
        trial: Of one trial, its test included.
        end: Of one campaign: the metered inference.
        teacher: Of the teacher's whole training.
        logits: Of all the teacher's logits of one seed.
        low: The cheapest single measurement over the mean, CPU seconds.
        high: The dearest.
        power: What the meter says of such work.
        source: Where the figures are from.
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
    """How energy follows from seconds; None where the meter reads nothing."""

    per_cpu_s_kwh: float | None
    per_s_kwh: float | None

    def energy_kwh(self, work: Work) -> float | None:
        """Returns the energy of some work."""
        parts = ((self.per_cpu_s_kwh, work.cpu_s), (self.per_s_kwh, work.duration_s))
        known = [rate * seconds for rate, seconds in parts if rate is not None]
        return sum(known) if known else None


def power(rows: Sequence[LedgerRow]) -> Power:
    """Takes the mean power of some ledger rows: the processor's by CPU seconds, all else by seconds."""
    working = [row for row in rows if row.images and row.status == "ok"] or [row for row in rows if row.status == "ok"]
    cpu = [(row.cpu_kwh, row.cpu_s) for row in working if row.cpu_kwh is not None and row.cpu_s]
    other = [
        ((row.gpu_kwh or 0.0) + (row.ram_kwh or 0.0), row.duration_s)
        for row in working
        if row.gpu_kwh is not None or row.ram_kwh is not None
    ]
    return Power(_ratio(cpu), _ratio(other))


def _ratio(pairs: Sequence[tuple[float, float]]) -> float | None:
    below = sum(seconds for _, seconds in pairs)
    return sum(kwh for kwh, _ in pairs) / below if below else None


def from_calibration(
    calibration: Calibration, settings: Settings, context: TrainingContext, rows: Sequence[LedgerRow]
) -> Rates:
    """Puts timed pieces together.

    Args:
        calibration: The pieces.
        settings: Whose.
        context: Their data.
        rows: What the meter said meanwhile.
    """
    recipe, teacher = settings.training.recipe, calibration.teacher
    images = len(context.data.test)
    samples = context.data.loader(settings.seed, recipe.batch_size).samples
    window = 0.0 if settings.smoke else WINDOW_S
    end = _inference(calibration.student_evaluation, images, window)
    if teacher is not None:
        end += _inference(calibration.teacher_evaluation, images, window)
    trained = NO_WORK
    if teacher is not None:
        tested = calibration.teacher_evaluation.times(images)
        trained = teacher.epoch.times(settings.training.teacher_recipe().epochs) + tested
    paces = [calibration.student] if teacher is None else [calibration.student, teacher]
    return Rates(
        setup=calibration.setup,
        trial=calibration.trial
        + calibration.student.epoch.times(recipe.epochs)
        + calibration.student_evaluation.times(images),
        end=end,
        teacher=trained,
        logits=calibration.logits.times(samples * recipe.epochs) if calibration.logits else NO_WORK,
        low=min(1 - _LEAST_SPREAD, *(pace.low for pace in paces)),
        high=max(1 + _LEAST_SPREAD, *(pace.high for pace in paces)),
        power=power(rows),
        source=f"timed here, {PIECE_S:g} s or a few steps of each network",
    )


def _inference(evaluation: Work, images: int, window_s: float) -> Work:
    """A warm-up pass, then passes that fill the window."""
    one = evaluation.times(images)
    passes = 1 + max(1.0, window_s / one.duration_s)
    return one.times(passes)


def from_records(settings: Settings, multirun: Path, here: Environment) -> Rates | None:
    """Reads the rates off finished campaigns of the same setting, machine and meter; None if there is none.

    Args:
        settings: Whose setting.
        multirun: The folder that holds the sweeps.
        here: This machine and meter.
    """
    pair = f"{settings.name('teacher')}-{settings.name('student')}"
    pattern = f"*/{settings.name('dataset')}/{pair}/{settings.name('objective')}/*/*/campaign.json"
    found = [
        (path.parent, record) for path in sorted(multirun.glob(pattern)) if (record := _finished(path)) is not None
    ]
    same = [
        (folder, record)
        for folder, record in found
        if record.setting_id == settings.setting_id and _place(record.environment) == _place(here)
    ]
    if not same:
        return None
    ledgers = [read_rows(folder / "ledger.jsonl", LedgerRow).rows for folder, _ in same]
    trials = [_trial_costs(folder, rows) for (folder, _), rows in zip(same, ledgers, strict=True)]
    every = [work for works in trials for work in works]
    counts = [len(works) for works in trials]
    if not every or None in [row.cpu_s for rows in ledgers for row in rows]:
        return None
    overhead = [
        _sum(row for row in rows if row.phase is Phase.OVERHEAD and row.trial is None and UNMETERED not in row.warnings)
        for rows in ledgers
    ]
    per_campaign, per_trial = _line(counts, overhead)
    mean = _mean(every)
    return Rates(
        setup=per_campaign,
        trial=mean + per_trial,
        end=_mean([_sum(row for row in rows if row.phase in (Phase.INFERENCE, Phase.CALIBRATION)) for rows in ledgers]),
        teacher=_known(None if (used := record.teacher_result) is None else used.costs for _, record in same),
        logits=_known(record.logits_costs for _, record in same),
        low=min(1 - _LEAST_SPREAD, *(work.cpu_s / mean.cpu_s for work in every)),
        high=max(1 + _LEAST_SPREAD, *(work.cpu_s / mean.cpu_s for work in every)),
        power=power([row for rows in ledgers for row in rows]),
        source=f"ledgers of {len(every)} earlier trials of the same setting, machine and meter",
    )


def _finished(path: Path) -> CampaignRecord | None:
    try:
        record = read_campaign(path)
    except RecordError:
        return None
    return record if record.status is CampaignStatus.DONE else None


def _place(environment: Environment) -> tuple[str | None, ...]:
    return environment.cpu, environment.gpu, environment.device, environment.meter


def _trial_costs(folder: Path, rows: Sequence[LedgerRow]) -> list[Work]:
    complete = {
        row.trial for row in read_rows(folder / "trials.jsonl", TrialRow).rows if row.status is TrialStatus.COMPLETE
    }
    return [
        _sum(row for row in rows if row.trial == trial and row.phase in _TRIAL_PHASES) for trial in sorted(complete)
    ]


def _sum(rows: Iterable[LedgerRow]) -> Work:
    listed = list(rows)
    return Work(sum(row.cpu_s or 0.0 for row in listed), sum(row.duration_s for row in listed))


def _mean(works: Sequence[Work]) -> Work:
    return Work(statistics.fmean(work.cpu_s for work in works), statistics.fmean(work.duration_s for work in works))


def _line(counts: Sequence[int], overhead: Sequence[Work]) -> tuple[Work, Work]:
    """Divides overheads into a part per campaign and one per trial, by least squares."""
    design = np.stack([np.ones(len(counts)), np.asarray(counts, dtype=float)], axis=1)
    solution = np.maximum(np.linalg.lstsq(design, np.asarray(overhead, dtype=float), rcond=None)[0], 0.0)
    return Work(*solution[0].tolist()), Work(*solution[1].tolist())


def _known(costs: Iterable[Costs | None]) -> Work:
    known = [Work(each.cpu_s, each.duration_s) for each in costs if each is not None and each.cpu_s is not None]
    return _mean(known) if known else NO_WORK
