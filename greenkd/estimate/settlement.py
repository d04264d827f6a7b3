"""How good an estimate was: compared with what was spent, once all its campaigns have ended."""

import contextlib
import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

from greenkd.errors import RecordError
from greenkd.records import (
    CampaignRecord,
    Costs,
    EstimateOutcome,
    EstimateRecord,
    LedgerRow,
    Phase,
    find_campaigns,
    read_campaign,
    read_estimate,
    read_rows,
    write_estimate,
)
from greenkd.records.timestamps import now, to_seconds

ESTIMATE_FILE = "estimate.json"


def settle(sweep: Path) -> EstimateRecord | None:
    """Compares a sweep's estimate with its ledgers, and writes the result into the estimate.

    Args:
        sweep: The sweep's folder.

    Returns:
        The estimate with its outcome. None if there is no estimate, if it was settled before, or if one of its
        campaigns has not ended.

    Raises:
        RecordError: The estimate or a campaign's record cannot be read.
        StorageError: The estimate cannot be written.
    """
    record = read_estimate(sweep / ESTIMATE_FILE)
    if record is None or record.outcome is not None or not record.campaign_ids:
        return None

    campaigns = _estimated_campaigns(record, sweep)
    if len(campaigns) < len(record.campaign_ids) or any(campaign.test_score is None for campaign, _ in campaigns):
        return None

    costs: list[LedgerRow | Costs] = []
    for campaign, folder in campaigns:
        costs += _costs_since(record.created_at, campaign, folder)
    energies = [cost.energy_kwh for cost in costs]
    outcome = EstimateOutcome(
        finished_at=now(),
        cpu_s=math.fsum(cost.cpu_s or 0.0 for cost in costs),
        duration_s=math.fsum(cost.duration_s for cost in costs),
        energy_kwh=_known_sum(energies),
        flops=_known_sum([cost.flops for cost in costs if _counts_flops(cost)]),
    )

    record = dataclasses.replace(record, outcome=outcome)
    write_estimate(sweep / ESTIMATE_FILE, record)
    return record


def _estimated_campaigns(record: EstimateRecord, sweep: Path) -> list[tuple[CampaignRecord, Path]]:
    """Returns those of the estimated campaigns that have a record, with their folders."""
    by_id: dict[str, tuple[CampaignRecord, Path]] = {}
    for folder in find_campaigns(sweep):
        with contextlib.suppress(RecordError):  # a damaged one leaves the estimate unsettled, and the analysis names it
            campaign = read_campaign(folder / "campaign.json")
            by_id[campaign.campaign_id] = campaign, folder
    return [by_id[campaign_id] for campaign_id in record.campaign_ids if campaign_id in by_id]


def _costs_since(estimated_at: str, campaign: CampaignRecord, folder: Path) -> list[LedgerRow | Costs]:
    """Returns what a campaign has paid since it was estimated, its part of teacher, images and logits included."""
    rows = read_rows(folder / "ledger.jsonl", LedgerRow).rows
    costs: list[LedgerRow | Costs] = [row for row in rows if row.started_at >= estimated_at]

    if campaign.created_at >= to_seconds(estimated_at):
        shared = (campaign.teacher_paid, campaign.synthesis_paid, campaign.logits_paid)
        costs += [paid for paid in shared if paid is not None]
    return costs


def _counts_flops(cost: LedgerRow | Costs) -> bool:
    """Tells whether a cost's FLOPs are among those estimated; a row without images has none to count."""
    return not isinstance(cost, LedgerRow) or (cost.phase is not Phase.INFERENCE and cost.images > 0)


def _known_sum(values: Sequence[float | None]) -> float | None:
    return None if None in values else math.fsum(value for value in values if value is not None)


def describe_settlement(record: EstimateRecord) -> str:
    """Returns one line on how good an estimate was.

    Raises:
        ValueError: It is not settled yet.
    """
    outcome, total = record.outcome, record.total
    if outcome is None:
        raise ValueError("the estimate is not settled yet")

    parts = []
    if total.flops is not None and outcome.flops is not None:
        error = "to the last one" if total.flops == outcome.flops else _error(total.flops, outcome.flops)
        parts.append(f"{total.flops / 1e9:.4g} GFLOPs estimated, {outcome.flops / 1e9:.4g} spent ({error})")

    error = _error(total.cpu_s, outcome.cpu_s)
    parts.append(f"{total.cpu_s:.1f} CPU s estimated, {outcome.cpu_s:.1f} spent ({error})")
    if total.energy_kwh is not None and outcome.energy_kwh:
        error, low_kwh, high_kwh = (
            _error(total.energy_kwh, outcome.energy_kwh),
            total.energy_low_kwh,
            total.energy_high_kwh,
        )
        interval = "" if low_kwh is None or high_kwh is None else f" ({low_kwh:.3g} to {high_kwh:.3g})"
        parts.append(f"{total.energy_kwh:.3g} kWh{interval} estimated, {outcome.energy_kwh:.3g} spent ({error})")
    return f"estimate of {to_seconds(record.created_at)}: {'; '.join(parts)}"


def _error(estimated: float, spent: float) -> str:
    return f"{100 * (estimated / spent - 1):+.0f} %" if spent else "-"
