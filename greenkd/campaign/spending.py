"""What a campaign, or its whole sweep, has spent so far, as the ledgers say it; every row is read once."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from greenkd.campaign.amounts import Amounts, add, amounts_of, plus, stated_in, times
from greenkd.energy import EnergyMonitor, unmetered
from greenkd.errors import RecordError
from greenkd.identity import sweep_folder
from greenkd.records import LedgerRow, Phase, TrialRow, TrialStatus, is_start_up, read_campaign
from greenkd.records.follow import RowFollower
from greenkd.records.ledger import start_up_of
from greenkd.records.merging import attempt_order
from greenkd.records.metering import OwnTerms, own_terms
from greenkd.records.timestamps import to_seconds
from greenkd.whereabouts import is_this_process

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
    is_own: bool  # written by this process
    amounts: Amounts


class Spending:
    """Adds up what was really paid, whichever process and attempt: ledgers, and the rows in those of the cache.

    Args:
        folder: The campaign's folder.
        cache: Where the ledgers of teachers and logits lie.
        monitor: Records what this process spends on the campaign.
        whole_sweep: The campaigns beside it count too.
        counts_energy: Energy is held against a limit, so that of other meters is stated in terms of this process's.
    """

    def __init__(
        self, folder: Path, cache: Path, monitor: EnergyMonitor, *, whole_sweep: bool, counts_energy: bool
    ) -> None:
        self._folder = folder
        self._cache = cache
        self._monitor = monitor
        self._whole_sweep = whole_sweep
        self._counts_energy = counts_energy

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
        self._start_ups: dict[tuple[Any, ...], Amounts] = {}  # by ledger and process
        self._unstated: list[tuple[Path, LedgerRow]] = []  # read before this process's meter has said anything
        self._last_rows: dict[int, TrialRow] = {}

    def look(self) -> None:
        """Writes what this process has spent to its ledger, and reads what is new in all of them.

        Raises:
            ConfigError: Energy is held against a limit, and that of another meter can be added to none of this one's.
        """
        self._monitor.flush()

        # What is new; this process's own rows say in whose terms all are stated
        paths = [folder / "ledger.jsonl" for folder in self._folders()] + sorted(self._cache.glob("*/*/ledger.jsonl"))
        new = [(path, row) for path in paths for row in self._new_rows(path)]
        own_ledger = self._folder / "ledger.jsonl"
        self._own_rows += [row for path, row in new if path == own_ledger and is_this_process(row.pid, row.host)]
        self._unstated += new

        terms = self._own_terms()
        if terms is not None or not self._counts_energy:
            for path, row in self._unstated:
                self._note(path, row, amounts_of(row) if terms is None else stated_in(terms, row, path))
            self._unstated = []
        for trial in self._trials.new_rows():
            last = self._last_rows.get(trial.trial)
            if last is None or attempt_order(trial) >= attempt_order(last):  # another process's may be read later
                self._last_rows[trial.trial] = trial

    def total(self) -> Amounts:
        """Returns everything that was spent, the command's start-up included where it will be charged."""
        total = dict(self._total)
        for path, row in self._unstated:
            if not path.is_relative_to(self._cache):
                add(total, amounts_of(row))
        for shared in self._paid_for_shared(self._folders()):
            add(total, shared.amounts)
        add(total, self._start_up())
        return total

    def own(self) -> Amounts:
        """Returns what this process has spent on the campaign."""
        own = dict(self._own)
        for row in self._paid_for_shared([self._folder]):
            if row.is_own:
                add(own, row.amounts)
        return own

    def complete(self) -> int:
        """Returns the number of complete trials."""
        return sum(row.status is TrialStatus.COMPLETE for row in self._last_rows.values())

    def interrupted(self) -> list[int]:
        """Returns the trials that were stopped, or paused, and go on from a checkpoint."""
        return [trial for trial, row in self._last_rows.items() if not row.status.has_ended]

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
            add(spent, self.of_trial(trial))
        if own_logits:
            for row in self._paid_for_shared([self._folder]):
                if row.phase is Phase.TEACHER_LOGITS:
                    add(spent, row.amounts)
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
            add(finish, times(single_pass, 1 + in_window + _UNCOUNTED_PASSES))
            gflops += single_pass.get("gflops", 0.0) * (1 + _QUICKER * in_window)
        return times(finish, _MARGIN) | {"gflops": gflops}

    def _evaluated_image(self, flops: float) -> Amounts:
        """Returns what the student's forward pass takes for an image, as validations took, else as training did."""
        if self._validated_images:
            return times(self._validation, 1 / self._validated_images)

        trained: Amounts = {}
        for amounts in self._by_trial.values():
            add(trained, amounts)
        per_gflop = times(trained, 1 / trained["gflops"]) if trained.get("gflops") else {}
        return times(per_gflop, flops / 1e9) | {"gflops": flops / 1e9}

    def _own_terms(self) -> OwnTerms | None:
        """Returns the meter of this process; None where its energy does not matter, or has not been read yet."""
        known = [row for row in self._own_rows if row.energy_kwh is not None and not is_start_up(row)]
        return own_terms(known) if self._counts_energy and known else None

    def _note(self, path: Path, row: LedgerRow, amounts: Amounts) -> None:
        """Takes down a row: of the cache what campaigns share, of campaigns what is told apart within this one."""
        if path.is_relative_to(self._cache):
            if row.phase in _SHARED_PHASES:
                own = is_this_process(row.pid, row.host)
                self._shared.append(_SharedRow(row.campaign_id, row.started_at, row.phase, own, amounts))
            return

        add(self._total, amounts)
        process = start_up_of(row)
        if process is not None:
            earlier = self._start_ups.setdefault((path, *process), {})
            if row.shared_among is not None:  # in place of what was charged before
                add(self._total, times(earlier, -1))
                earlier.clear()
            add(earlier, amounts)
        if path.parent != self._folder:
            return
        if is_this_process(row.pid, row.host):
            add(self._own, amounts)
        if row.trial is not None and row.phase in _STUDENT_PHASES:
            add(self._by_trial.setdefault(row.trial, {}), amounts)
        if row.phase is Phase.VALIDATION:
            add(self._validation, amounts)
            self._validated_images += row.images

    def _start_up(self) -> Amounts:
        """Returns what this process took outside all monitors, as the end of its command will charge it.

        For one campaign of several it is all of it, though each will be charged a part.
        """
        seconds = unmetered.to_be_charged()
        row = None if seconds is None else unmetered.unmetered_row(self._own_rows, seconds)
        return {} if row is None else amounts_of(row)

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


def _began(folder: Path) -> tuple[str, str] | None:
    """Returns a campaign's id and when it began: what was paid under the same id before was another sweep's."""
    try:
        record = read_campaign(folder / "campaign.json")
    except (RecordError, FileNotFoundError):
        return None
    return record.campaign_id, to_seconds(record.created_at)
