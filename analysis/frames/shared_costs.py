"""What campaigns share, teachers and their logits, in terms of each campaign's own meter.

Both lie in a cache and may have been metered by another meter than the campaign's. Only like is added to like: their
energy is converted where the campaign's meter is a model of CPU seconds and seconds, and unknown where it reads a
sensor. Records say which meter they rest on; for those of greenkd 0.1, which do not, the cache's ledgers are asked,
then the other campaigns of the load.
"""

import dataclasses
import math
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path

import pandas as pd

from analysis.frames.ledger import own_terms
from analysis.frames.problem import Problem
from analysis.frames.reading import caches_of
from greenkd import records
from greenkd.records import CampaignRecord, Costs, LedgerRow, Phase, RecordError
from greenkd.records.metering import OwnTerms, meters_of

# An energy that is further than this from what the campaign's own model says was made by another meter.
_FITS = 0.1

Meters = tuple[str, ...] | None  # None: nobody knows


def in_own_terms(
    campaign_records: dict[int, CampaignRecord],
    folders: dict[int, Path],
    ledger: pd.DataFrame,
    problems: list[Problem],
) -> dict[int, CampaignRecord]:
    """Returns the records with the costs of teacher and logits in terms of each campaign's own meter.

    Args:
        campaign_records: `campaign.json` of each campaign, by the campaign's number.
        folders: Their folders, likewise.
        ledger: The ledger frame.
        problems: Receives what was converted, what could not be, and what nobody knows.
    """
    terms = own_terms(ledger)
    makers = _Makers(campaign_records, folders, terms)

    restated = {}
    notes: dict[str, list[Path]] = {}
    for campaign, record in campaign_records.items():
        own, folder = terms.get(campaign), folders[campaign]
        if own is None:
            restated[campaign] = record
            continue

        made_by: dict[Meters, list[str]] = {}

        # The logits; what a record of today says of them is in the campaign's terms already.
        logits, meters = record.logits_costs, makers.of_logits(campaign)
        if logits is not None:
            if record.logits_metered_by is None:
                logits, meters = _restated(logits, meters, own)
            made_by.setdefault(meters, []).append("logits")

        # The students' images, likewise
        if record.synthesis_costs is not None:
            made_by.setdefault(record.synthesis_metered_by, []).append("images")

        # The teacher's training, as the cache keeps it for all campaigns
        teacher = record.teacher_result
        if teacher is not None and teacher.costs is not None:
            costs, meters = _restated(teacher.costs, makers.of_teacher(campaign), own)
            if costs is not teacher.costs:
                teacher = dataclasses.replace(teacher, costs=costs)
            made_by.setdefault(meters, []).append("training")

        is_as_it_was = logits is record.logits_costs and teacher is record.teacher_result
        restated[campaign] = (
            record if is_as_it_was else dataclasses.replace(record, logits_costs=logits, teacher_result=teacher)
        )
        for meters, parts in made_by.items():
            _note(notes, folder, f"the teacher's {' and '.join(parts)}", meters, own)

    for what, places in notes.items():
        where = str(places[0]) if len(places) == 1 else f"{places[0]} and {len(places) - 1} more"
        problems.append(Problem(where, what))
    return restated


def _restated(costs: Costs, meters: Meters, own: OwnTerms) -> tuple[Costs, Meters]:
    """Returns costs in a campaign's terms, and the meters that made them; those given where they are in its terms.

    Where nobody knows the meters and the campaign's is a model, the energy itself tells whether it is that model's.
    """
    if meters == (own.meter,):
        return costs, meters

    energy_kwh = None if own.power is None else own.power.energy_kwh(costs)
    if meters is None:
        if energy_kwh is None or costs.energy_kwh is None:
            return costs, None
        if math.isclose(costs.energy_kwh, energy_kwh, rel_tol=_FITS):
            return costs, (own.meter,)
        meters = ("another meter, not on record",)
    return dataclasses.replace(costs, energy_kwh=energy_kwh, co2eq_g=own.grams(energy_kwh)), meters


def _note(notes: dict[str, list[Path]], folder: Path, what: str, meters: Meters, own: OwnTerms) -> None:
    """Adds a sentence on costs that another meter made, or nobody knows which."""
    if meters == (own.meter,):
        return

    if meters is None:
        text = f"{what}: which meter made their energy is not on record; taken as {own.meter}"
    elif own.power is not None:
        text = f"{what}: metered by {' and '.join(meters)}; their energy is converted to {own.meter}, by time"
    else:
        text = (
            f"{what}: metered by {' and '.join(meters)}; {own.meter} can say nothing of it, so their energy counts as "
            "unknown; run with another cache_dir to have them metered anew"
        )
    notes.setdefault(text, []).append(folder)


class _Makers:
    """Finds out which meter made what campaigns share.

    Args:
        campaign_records: The records of the load.
        folders: Their folders.
        terms: In whose terms each campaign counts.
    """

    def __init__(
        self, campaign_records: dict[int, CampaignRecord], folders: dict[int, Path], terms: dict[int, OwnTerms]
    ) -> None:
        self._records = campaign_records
        self._folders = folders
        self._terms = terms
        self._meter_of = {campaign_records[number].campaign_id: own.meter for number, own in terms.items()}
        self._ledgers: dict[Path, list[LedgerRow]] = {}

    def of_teacher(self, campaign: int) -> Meters:
        """Returns the meter behind the costs of a campaign's teacher."""
        teacher = self._records[campaign].teacher_result
        if teacher is None or teacher.metered_by is not None:
            return None if teacher is None or teacher.metered_by is None else (teacher.metered_by,)

        for cache in caches_of(self._folders[campaign]):
            rows = self._rows(cache / "teachers" / teacher.key / "ledger.jsonl")
            rows = [row for row in rows if row.phase is Phase.TEACHER_TRAINING]
            if rows:
                return meters_of(rows)
        payer = self._meter_of.get(teacher.trained_by)
        return None if payer is None else (payer,)

    def of_logits(self, campaign: int) -> Meters:
        """Returns the meters behind the costs of a campaign's logits."""
        record = self._records[campaign]
        if record.logits_metered_by is not None or record.logits_costs is None:
            return record.logits_metered_by

        for cache in caches_of(self._folders[campaign]):
            for path in sorted(cache.glob("logits/*/ledger.jsonl")):
                rows = _rows_behind(record.logits_costs, self._rows(path))
                if rows:
                    return meters_of(rows)
        return self._payers_of_logits(record)

    def _payers_of_logits(self, record: CampaignRecord) -> Meters:
        """Returns the meters of the campaigns of this load that have computed the same logits."""
        return tuple(sorted(self._meters_of_streams.get(_stream(record), ()))) or None

    @cached_property
    def _meters_of_streams(self) -> dict[tuple[object, ...], set[str]]:
        meters: dict[tuple[object, ...], set[str]] = {}
        for record in self._records.values():
            if record.logits_paid is not None and record.campaign_id in self._meter_of:
                meters.setdefault(_stream(record), set()).add(self._meter_of[record.campaign_id])
        return meters

    def _rows(self, path: Path) -> list[LedgerRow]:
        if path not in self._ledgers:
            try:
                self._ledgers[path] = records.read_rows(path, LedgerRow).rows
            except (RecordError, OSError):
                self._ledgers[path] = []
        return self._ledgers[path]


def _stream(record: CampaignRecord) -> tuple[object, ...]:
    """Returns what campaigns that share their logits have in common, as far as records know."""
    teacher = record.teacher_result
    images = None if record.logits_costs is None else record.logits_costs.forward_flops
    return (None if teacher is None else teacher.key, record.seed, images)


def _rows_behind(costs: Costs, rows: Sequence[LedgerRow]) -> list[LedgerRow]:
    """Returns the first rows of a stream's ledger whose sum, scaled, gives some costs; later rows came after them.

    Seconds and CPU seconds were scaled by one factor, so their ratio tells the sum from any other.
    """
    if costs.cpu_s is None:
        return []

    cpu_s = duration_s = 0.0
    for number, row in enumerate(rows, start=1):
        cpu_s, duration_s = cpu_s + (row.cpu_s or 0.0), duration_s + row.duration_s
        if duration_s and math.isclose(cpu_s * costs.duration_s, costs.cpu_s * duration_s, rel_tol=1e-9):
            return list(rows[:number])
    return []
