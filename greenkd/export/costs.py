"""What a student cost, added up from its campaign's ledger as the analysis does it."""

from collections.abc import Iterable, Sequence
from typing import TypeVar

from greenkd.export.facts import StudentCosts
from greenkd.records import CampaignRecord, LedgerRow, Phase, Source, add_costs, is_start_up, sum_costs
from greenkd.records.metering import PARTS, meters_of

Value = TypeVar("Value")

_OF_A_TRIAL = (Phase.STUDENT_TRAINING, Phase.SYNTHESIS, Phase.VALIDATION)


def student_costs(record: CampaignRecord, ledger: Sequence[LedgerRow]) -> StudentCosts:
    """Returns what the chosen student took, what choosing it took, and how both figures were obtained.

    Args:
        record: The campaign's.
        ledger: The rows of its ledger.
    """
    paid = [row for row in ledger if not is_start_up(row)]
    of_trials = [row for row in paid if row.phase in _OF_A_TRIAL]
    overhead = [row for row in paid if row.phase is Phase.OVERHEAD]

    # Logits and synthetic images as this campaign alone would have paid for them
    shared = [costs for costs in (record.logits_costs, record.synthesis_costs) if costs is not None]
    teacher, rows, environment = record.teacher_result, of_trials + overhead, record.environment
    return StudentCosts(
        training=sum_costs(row for row in of_trials if row.trial == record.chosen_trial),
        choosing=add_costs([sum_costs(rows), *shared]),
        teacher=None if teacher is None else teacher.costs,
        teacher_metered_by=None if teacher is None else teacher.metered_by,
        meters=meters_of(rows),
        sources=_sources(rows),
        pue=_one(row.pue for row in rows),
        intensity_g_per_kwh=_one(row.intensity_g_per_kwh for row in rows),
        intensity_source=_one(row.intensity_source for row in rows) or "",
        intensity_region=_one(row.intensity_region for row in rows) or "",
        intensity_year=_one(row.intensity_year for row in rows),
        intensity_is_default=_one(row.intensity_is_default for row in rows),
        hardware=" + ".join(filter(None, (environment.cpu, environment.gpu))),
    )


def _sources(rows: Sequence[LedgerRow]) -> tuple[str, ...]:
    """Returns where energies come from, in the order in which `Source` declares the words."""
    found = {getattr(row, f"{part}_source") for row in rows for part in PARTS}
    return tuple(source.value for source in Source if source in found and source is not Source.ABSENT)


def _one(values: Iterable[Value]) -> Value | None:
    """Returns what all rows agree on; None if they do not."""
    different = set(values)
    return different.pop() if len(different) == 1 else None
