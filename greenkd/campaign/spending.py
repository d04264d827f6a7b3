"""What a campaign, or its whole sweep, has spent so far, as the ledgers say it; every row is read once.

Amounts are in the units of the budget's limits, by their names: kWh, grams, hours, 1e9 FLOPs.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from greenkd.energy import EnergyMonitor, unmetered
from greenkd.errors import RecordError
from greenkd.identity import sweep_folder
from greenkd.records import LedgerRow, Phase, TrialRow, TrialStatus, read_campaign
from greenkd.records.follow import RowFollower
from greenkd.records.timestamps import to_seconds

LEDGER_FIELDS = {
    "kwh": ("energy_kwh", 1.0),
    "co2_g": ("co2eq_g", 1.0),
    "hours": ("duration_s", 3600.0),
    "gflops": ("flops", 1e9),
}
Amounts = dict[str, float]

_SHARED_PHASES = (Phase.TEACHER_TRAINING, Phase.SYNTHESIS, Phase.TEACHER_LOGITS)
_STUDENT_PHASES = (Phase.STUDENT_TRAINING, Phase.SYNTHESIS, Phase.VALIDATION)

# What is held back in time and energy for the campaign's end is multiplied by this: first passes take longer. FLOPs are
# known, but for the number of passes in a window: a validation, which says how long one takes, is slower than they are.
_MARGIN, _QUICKER = 1.5, 2.0
# Seconds around one test: reading weights, writing the record. Passes beside those in a window, which have no FLOPs.
_AROUND_A_TEST_S, _UNCOUNTED_PASSES = 0.1, 2


class FinishPlan(NamedTuple):
    """What the end of a campaign consists of.

    Attributes:
        test_images: Images of the test split.
        window_s: Seconds that the metered inference of each network fills.
        forward_flops: FLOPs per image of the networks whose inference is metered, the student first.
        other_images: Images besides on which each complete trial is evaluated.
    """

    test_images: int
    window_s: float
    forward_flops: tuple[float, ...]
    other_images: int = 0


class _SharedRow(NamedTuple):
    """A row in the ledger of a teacher, or of its stored logits."""

    campaign_id: str
    started_at: str
    phase: Phase
    pid: int | None
    amounts: Amounts


class Spending:
    """Adds up what was really paid, whichever process and attempt: ledgers, and the rows in those of the cache.

    Args:
        folder: The campaign's folder.
        cache: Where the ledgers of teachers and logits lie.
        monitor: Records what this process spends on the campaign.
        whole_sweep: The campaigns beside it count too.
    """

    def __init__(self, folder: Path, cache: Path, monitor: EnergyMonitor, *, whole_sweep: bool) -> None:
        self._folder = folder
        self._cache = cache
        self._monitor = monitor
        self._whole_sweep = whole_sweep

        self._ledgers: dict[Path, RowFollower[LedgerRow]] = {}
        self._trials = RowFollower(folder / "trials.jsonl", TrialRow)
        self._began: dict[Path, tuple[str, str]] = {}  # by folder: the campaign's id, and when it began

        # Everything in campaigns' ledgers; of that, this process's; and some parts of this campaign
        self._total: Amounts = {}
        self._own: Amounts = {}
        self._own_rows: list[LedgerRow] = []
        self._by_trial: dict[int, Amounts] = {}
        self._validation: Amounts = {}
        self._validated_images = 0
        self._shared: list[_SharedRow] = []
        self._last_rows: dict[int, TrialRow] = {}

    def look(self) -> None:
        """Writes what this process has spent to its ledger, and reads what is new in all of them."""
        self._monitor.flush()

        for folder in self._folders():
            for row in self._new_rows(folder / "ledger.jsonl"):
                _add(self._total, _amounts(row))
                if folder == self._folder:
                    self._note(row)
        for path in self._cache.glob("*/*/ledger.jsonl"):
            rows = (row for row in self._new_rows(path) if row.phase in _SHARED_PHASES)
            self._shared += [
                _SharedRow(row.campaign_id, row.started_at, row.phase, row.pid, _amounts(row)) for row in rows
            ]
        self._last_rows |= {row.trial: row for row in self._trials.new_rows()}

    def total(self) -> Amounts:
        """Returns everything that was spent, the command's start-up included where it will be charged."""
        total = dict(self._total)
        for row in self._paid_for_shared(self._folders()):
            _add(total, row.amounts)
        _add(total, self._start_up())
        return total

    def own(self) -> Amounts:
        """Returns what this process has spent on the campaign."""
        own = dict(self._own)
        for row in self._paid_for_shared([self._folder]):
            if row.pid == os.getpid():
                _add(own, row.amounts)
        return own

    def complete(self) -> int:
        """Returns the number of complete trials."""
        return sum(row.status is TrialStatus.COMPLETE for row in self._last_rows.values())

    def interrupted(self) -> list[int]:
        """Returns the trials that were stopped and go on from a checkpoint."""
        return [trial for trial, row in self._last_rows.items() if row.status is TrialStatus.INTERRUPTED]

    def of_trial(self, trial: int) -> Amounts:
        """Returns what training and validation of one trial have taken so far, all attempts."""
        return self._by_trial.get(trial, {})

    def per_trial(self, *, own_logits: bool) -> Amounts:
        """Returns what a trial took on average that has ended; nothing where none has.

        Args:
            own_logits: Every trial has teacher logits of its own to pay.
        """
        ended = [
            trial for trial, row in self._last_rows.items() if row.status in (TrialStatus.COMPLETE, TrialStatus.PRUNED)
        ]
        spent: Amounts = {}
        for trial in ended:
            _add(spent, self.of_trial(trial))
        if own_logits:
            for row in self._paid_for_shared([self._folder]):
                if row.phase is Phase.TEACHER_LOGITS:
                    _add(spent, row.amounts)
        return times(spent, 1 / max(len(ended), 1))

    def seconds(self, seconds: float) -> Amounts:
        """Returns what so many seconds cost this process in which it makes no arithmetic."""
        hours = self._own.get("hours", 0.0)
        if not hours:
            return {"hours": seconds / 3600}
        per_second = times(self._own, 1 / (3600 * hours))
        return {name: amount * seconds for name, amount in per_second.items() if name != "gflops"}

    def finish(self, tests: int, plan: FinishPlan) -> Amounts:
        """Estimates what the end of the campaign takes: a test of each complete trial, and the metered inference.

        Args:
            tests: Complete trials; with none there is nothing to test.
            plan: What it consists of.
        """
        if not tests:
            return {}

        student = plan.forward_flops[0]
        test = times(self._evaluated_image(student), plan.test_images)
        others = times(self._evaluated_image(student), plan.other_images)
        finish = times(plus(test, others, self.seconds(_AROUND_A_TEST_S)), tests)
        gflops = (test.get("gflops", 0.0) + others.get("gflops", 0.0)) * tests
        for flops in plan.forward_flops:
            single_pass = times(test, flops / student if student else 1.0)
            pass_s = 3600 * single_pass.get("hours", 0.0)
            in_window = plan.window_s / pass_s if pass_s else 0.0
            _add(finish, times(single_pass, 1 + in_window + _UNCOUNTED_PASSES))
            gflops += single_pass.get("gflops", 0.0) * (1 + _QUICKER * in_window)
        return times(finish, _MARGIN) | {"gflops": gflops}

    def _evaluated_image(self, flops: float) -> Amounts:
        """Returns what the student's forward pass takes for an image, as validations took, else as training did."""
        if self._validated_images:
            return times(self._validation, 1 / self._validated_images)

        trained: Amounts = {}
        for amounts in self._by_trial.values():
            _add(trained, amounts)
        per_gflop = times(trained, 1 / trained["gflops"]) if trained.get("gflops") else {}
        return times(per_gflop, flops / 1e9) | {"gflops": flops / 1e9}

    def _note(self, row: LedgerRow) -> None:
        """Takes down what is told apart within this campaign."""
        amounts = _amounts(row)
        if row.pid == os.getpid():
            _add(self._own, amounts)
            self._own_rows.append(row)
        if row.trial is not None and row.phase in _STUDENT_PHASES:
            _add(self._by_trial.setdefault(row.trial, {}), amounts)
        if row.phase is Phase.VALIDATION:
            _add(self._validation, amounts)
            self._validated_images += row.images

    def _start_up(self) -> Amounts:
        """Returns what this process took outside all monitors, as the end of its command will charge it.

        For one campaign of several it is all of it, though each will be charged a part.
        """
        seconds = unmetered.to_be_charged()
        row = None if seconds is None else unmetered.unmetered_row(self._own_rows, seconds)
        return {} if row is None else _amounts(row)

    def _folders(self) -> list[Path]:
        if not self._whole_sweep:
            return [self._folder]
        beside = (path.parent for path in sweep_folder(self._folder).glob("*/*/*/*/*/ledger.jsonl"))
        return [self._folder, *(folder for folder in beside if folder.resolve() != self._folder.resolve())]

    def _new_rows(self, path: Path) -> list[LedgerRow]:
        if path not in self._ledgers:
            self._ledgers[path] = RowFollower(path, LedgerRow)
        return self._ledgers[path].new_rows()

    def _paid_for_shared(self, folders: Iterable[Path]) -> Iterator[_SharedRow]:
        """Yields what campaigns paid for teachers and logits since they began."""
        for folder in folders:
            if folder not in self._began and (began := _began(folder)) is not None:
                self._began[folder] = began
        began_at = dict(self._began[folder] for folder in folders if folder in self._began)
        for row in self._shared:
            if row.campaign_id in began_at and row.started_at >= began_at[row.campaign_id]:
                yield row


def plus(*parts: Mapping[str, float]) -> Amounts:
    """Returns the sum of some amounts."""
    total: Amounts = {}
    for part in parts:
        _add(total, part)
    return total


def times(amounts: Mapping[str, float], factor: float) -> Amounts:
    """Returns amounts times a factor."""
    return {name: amount * factor for name, amount in amounts.items()}


def _add(total: Amounts, more: Mapping[str, float]) -> None:
    for name, amount in more.items():
        total[name] = total.get(name, 0.0) + amount


def _amounts(row: LedgerRow) -> Amounts:
    """Returns what is known of a row; an unknown part cannot be held against a limit."""
    values = {name: (getattr(row, field), unit) for name, (field, unit) in LEDGER_FIELDS.items()}
    return {name: value / unit for name, (value, unit) in values.items() if value is not None}


def _began(folder: Path) -> tuple[str, str] | None:
    """Returns a campaign's id and when it began: what was paid under the same id before was another sweep's."""
    try:
        record = read_campaign(folder / "campaign.json")
    except (RecordError, FileNotFoundError):
        return None
    return record.campaign_id, to_seconds(record.created_at)
