"""What the campaigns of one setting cost piece by piece, read off the ledgers of earlier ones."""

import statistics
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from greenkd.campaign.settings import Settings
from greenkd.errors import RecordError
from greenkd.estimate.power import mean_power
from greenkd.estimate.rates import Rates, cpu_range, threads_of
from greenkd.estimate.stopwatch import NO_WORK, Work
from greenkd.estimate.wall_time import wall_range
from greenkd.identity import campaign_folder
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
    scale_costs,
)
from greenkd.training.context import TrainingContext

# A finished trial's rows in the ledger are of these phases; its test is recorded under it too.
_PHASES_OF_A_FINISHED_TRIAL = (
    Phase.STUDENT_TRAINING,
    Phase.SYNTHESIS,
    Phase.VALIDATION,
    Phase.TEST,
    Phase.OVERHEAD,
)


def from_records(settings: Settings, context: TrainingContext, multirun: Path, here: Environment) -> Rates | None:
    """Reads the rates off finished campaigns of the same setting, machine and meter; None if there is none.

    Args:
        settings: Of a campaign of that setting.
        context: Its data and device.
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

    # The campaign's own overhead is divided; its end and what it shares with others stand by themselves.
    counts = [len(works) for works in trials_by_campaign]
    per_campaign, per_trial = _line(counts, [_sum(filter(_is_own_overhead, ledger)) for ledger in ledgers])
    ends = [_sum(row for row in ledger if row.phase in (Phase.INFERENCE, Phase.CALIBRATION)) for ledger in ledgers]
    teachers = [record.teacher_result for _, record in campaigns]
    mean = _mean(trials)
    low, high = cpu_range([trials])

    return Rates(
        setup=per_campaign,
        trial=mean + per_trial,
        end=_mean(ends),
        teacher=_known(None if teacher is None else teacher.costs for teacher in teachers),
        logits=_known(_logits_of_one_seed(folder, record) for folder, record in campaigns),
        synthesis=_known(record.synthesis_costs for _, record in campaigns),
        low=low,
        high=high,
        wall=wall_range(trials, threads_of(settings, context)),
        power=mean_power(rows),
        source=f"ledgers of {len(trials)} earlier trials of the same setting, machine and meter",
    )


def _finished_campaigns(settings: Settings, multirun: Path, here: Environment) -> list[tuple[Path, CampaignRecord]]:
    """Returns folders and records of finished campaigns of a setting on this machine, in all sweeps."""
    dataset_pair_objective = campaign_folder(settings.config).parents[1]
    pattern = f"*/{dataset_pair_objective}/*/*/campaign.json"

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
    is_own = row.phase in (Phase.OVERHEAD, Phase.START_UP)  # the latter of workers, which the campaign started
    return is_own and row.trial is None and UNMETERED not in row.warnings


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


def _logits_of_one_seed(folder: Path, record: CampaignRecord) -> Costs | None:
    """Returns what a campaign's logits cost for one seed; restarts have as many seeds, each with logits of its own."""
    if record.logits_costs is None:
        return None
    trials = read_rows(folder / "trials.jsonl", TrialRow).rows
    seeds = len({row.params.get("restart") for row in trials})
    return scale_costs(record.logits_costs, 1 / max(seeds, 1))


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
