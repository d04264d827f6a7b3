"""How an estimate is shown, and how good it was once the real run has ended."""

import dataclasses
import math
from datetime import UTC, datetime
from pathlib import Path

from greenkd.records import (
    CostEstimate,
    Costs,
    EstimateOutcome,
    EstimateRecord,
    LedgerRow,
    find_campaigns,
    read_campaign,
    read_estimate,
    read_rows,
    write_estimate,
)

FILE = "estimate.json"


def settle(sweep: Path) -> EstimateRecord | None:
    """Compares a sweep's estimate with its ledgers, once all its campaigns are done.

    Returns:
        The estimate with its outcome; None if there is none, if it was settled before, or if campaigns are left.
    """
    record = read_estimate(sweep / FILE)
    if record is None or record.outcome is not None or not record.campaign_ids:
        return None
    folders = find_campaigns(sweep)
    found = {
        each.campaign_id: (each, folder) for folder in folders if (each := read_campaign(folder / "campaign.json"))
    }
    mine = [found[name] for name in record.campaign_ids if name in found]
    if len(mine) < len(record.campaign_ids) or any(each.test_score is None for each, _ in mine):
        return None
    rows: list[LedgerRow | Costs] = []
    for each, folder in mine:
        own = read_rows(folder / "ledger.jsonl", LedgerRow).rows
        rows += [row for row in own if row.started_at >= record.created_at]
        if each.created_at >= record.created_at[:19]:
            rows += [paid for paid in (each.teacher_paid, each.logits_paid) if paid is not None]
    energies = [row.energy_kwh for row in rows]
    outcome = EstimateOutcome(
        finished_at=datetime.now(UTC).isoformat(timespec="seconds"),
        cpu_s=math.fsum(row.cpu_s or 0.0 for row in rows),
        duration_s=math.fsum(row.duration_s for row in rows),
        energy_kwh=None if None in energies else math.fsum(value for value in energies if value is not None),
    )
    record = dataclasses.replace(record, outcome=outcome)
    write_estimate(sweep / FILE, record)
    return record


def describe_estimate(record: EstimateRecord) -> str:
    """Returns the estimate as an aligned table with a head and a foot."""
    rows = [*record.rows, record.total, record.stochastic_alone]
    cells = [("", "trials", "CPU s", "range", "time", "energy", "carbon")] + [_cells(row) for row in rows]
    widths = [max(len(row[column]) for row in cells) for column in range(len(cells[0]))]
    lines = [
        "  ".join(
            [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        )
        for row in cells
    ]
    return "\n".join(
        [
            f"estimate ({record.source}; {record.meter})",
            *(f"  {line}" for line in lines),
            "  stochastic alone: one training for each seed, with all that it needs, the teacher included",
            "  time and energy are those of the machine as it is now; on a busy one CPU seconds are the surer figure",
        ]
    )


def _cells(row: CostEstimate) -> tuple[str, ...]:
    return (
        row.name,
        str(row.trials) if row.trials else "",
        f"{row.cpu_s:,.0f}",
        f"{row.cpu_s * row.low:,.0f} to {row.cpu_s * row.high:,.0f}",
        _time(row.duration_s),
        "-" if row.energy_kwh is None else f"{row.energy_kwh:.3g} kWh",
        "-" if row.co2eq_g is None else f"{row.co2eq_g:.3g} g CO₂eq",
    )


def _time(seconds: float) -> str:
    return f"{seconds / 3600:.2f} h" if seconds >= 360 else f"{seconds:.0f} s"


def describe_outcome(record: EstimateRecord) -> str:
    """Returns one line on how good the estimate was."""
    outcome, total = record.outcome, record.total
    if outcome is None:
        raise ValueError("the estimate is not settled yet")
    parts = [f"{total.cpu_s:.1f} CPU s estimated, {outcome.cpu_s:.1f} spent ({_error(total.cpu_s, outcome.cpu_s)})"]
    if total.energy_kwh is not None and outcome.energy_kwh:
        error = _error(total.energy_kwh, outcome.energy_kwh)
        parts.append(f"{total.energy_kwh:.3g} kWh estimated, {outcome.energy_kwh:.3g} spent ({error})")
    return f"estimate of {record.created_at[:19]}: {'; '.join(parts)}"


def _error(estimated: float, spent: float) -> str:
    return f"{100 * (estimated / spent - 1):+.0f} %" if spent else "-"
