"""What is spent in the end stays within a limit, simulated: clocks that a test turns, and trainings that only count.

Workers are generators: at every tick each of them makes a step of its own trial, under an energy monitor and a budget
of its own, and all write one ledger. The end of the campaign is metered as greenkd does it, at another speed than that
of the validations it is estimated from.
"""

import dataclasses
import itertools
import math
import random
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from greenkd.campaign import budget as budget_module
from greenkd.campaign.budget import Budget, BudgetOptions
from greenkd.campaign.spending import FinishPlan
from greenkd.energy import EnergyMonitor
from greenkd.errors import BudgetSpentError
from greenkd.records import LedgerRow, Phase, TrialRow, append_row, read_rows
from tests.energy.fakes import FakeClock, FakeMeter
from tests.energy.test_monitor import TERMS
from tests.rows import trial_row

STEP_S, STEPS, EPOCHS, PLANNED = 0.05, 20, 3, 7
STEP_GFLOP, TEST_IMAGES, FORWARD_GFLOP = 3.0, 40, 0.01
TEST_S, WINDOW_S = 0.2, 1.0
UNITS = {"kwh": ("energy_kwh", 1.0), "hours": ("duration_s", 3600.0), "gflops": ("flops", 1e9)}


@pytest.fixture(autouse=True)
def _in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda _: None)  # thousands of looks, none of which has to outlive a power failure


@dataclasses.dataclass
class Simulation:
    """Campaigns of a sweep, which are run one after the other.

    Attributes:
        sweep: The sweep's folder.
        limits: The budget.
        workers: Of each campaign.
        trials: That each campaign plans.
    """

    sweep: Path
    limits: BudgetOptions
    workers: int
    trials: int
    clock: FakeClock = dataclasses.field(default_factory=FakeClock)
    noise: random.Random = dataclasses.field(default_factory=lambda: random.Random(5))

    def run(self, name: str) -> Path:
        """Runs one campaign to its end, or to its budget's."""
        folder = self.sweep / "digits" / "pair" / "kd" / name / "seed0-0123456789"
        folder.mkdir(parents=True)
        running: set[int] = set()
        with ExitStack() as stack:
            monitors = [stack.enter_context(self._monitor(folder)) for _ in range(self.workers)]
            trials = iter(range(self.trials))
            workers = [self._worker(folder, monitor, trials, running) for monitor in monitors]
            while workers:
                self.clock.pass_time(STEP_S * self.noise.uniform(0.7, 1.3))
                workers = [worker for worker in workers if next(worker, None) is not None]
            self._finish(folder, monitors[0])
        return folder

    def _monitor(self, folder: Path) -> EnergyMonitor:
        return EnergyMonitor(
            FakeMeter(self.clock), ledger=folder / "ledger.jsonl", terms=TERMS, clock=self.clock, heartbeat_s=3600
        )

    def _worker(self, folder: Path, monitor: EnergyMonitor, trials: Iterator[int], running: set[int]) -> Iterator[bool]:
        """Yields before every step."""
        budget = Budget(self.limits, folder, folder / "cache", monitor, self.workers, self.clock.seconds)
        if budget.is_spent():
            return
        budget.plan_finish(FinishPlan(TEST_IMAGES, WINDOW_S, (FORWARD_GFLOP * 1e9,)))
        for _ in range(3):  # loading
            yield True
        trial = -1
        try:
            for trial in trials:
                budget.begin_trials(1, running - {trial})
                running.add(trial)
                for epoch in range(EPOCHS):
                    budget.before_epoch()
                    with monitor.phase(Phase.STUDENT_TRAINING, trial=trial) as handle:
                        for _ in range(STEPS):
                            budget.before_step()
                            yield True
                            handle.add_work(32, STEP_GFLOP * 1e9, STEP_GFLOP * 1e9 / 3)
                    with monitor.phase(Phase.VALIDATION, trial=trial) as handle:
                        yield True
                        handle.add_work(10, 10 * FORWARD_GFLOP * 1e9, 10 * FORWARD_GFLOP * 1e9)
                    budget.epoch_finished(EPOCHS - epoch - 1)
                running.remove(trial)
                append_row(folder / "trials.jsonl", _row(trial))
        except BudgetSpentError:
            running.discard(trial)

    def _finish(self, folder: Path, monitor: EnergyMonitor) -> None:
        """Tests every complete trial and meters inference."""
        complete = [row.trial for row in read_rows(folder / "trials.jsonl", TrialRow).rows]
        for trial in complete:
            with monitor.phase(Phase.TEST, trial=trial) as handle:
                self.clock.pass_time(TEST_S)
                handle.add_work(TEST_IMAGES, TEST_IMAGES * FORWARD_GFLOP * 1e9, TEST_IMAGES * FORWARD_GFLOP * 1e9)
        if complete:
            with monitor.phase(Phase.INFERENCE) as handle:
                passes = math.ceil(WINDOW_S / TEST_S) + 1
                self.clock.pass_time(passes * TEST_S)
                handle.add_work(0, passes * TEST_IMAGES * FORWARD_GFLOP * 1e9, 0.0)


def _row(trial: int) -> TrialRow:
    return trial_row(trial, epochs=EPOCHS)


def spent(folders: list[Path], name: str) -> float:
    field, unit = UNITS[name]
    rows = [row for folder in folders for row in read_rows(folder / "ledger.jsonl", LedgerRow).rows]
    return math.fsum(getattr(row, field) or 0.0 for row in rows) / unit


# In trials: below what two take, and in the middle of a later one.
LIMITS = (1.9, 5.5)


@pytest.mark.parametrize("share", LIMITS)
@pytest.mark.parametrize("scope", ["campaign", "sweep"])
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("name", ["kwh", "hours", "gflops"])
def test_a_limit_holds_with_all_that_comes_after_the_last_trial(
    tmp_path: Path, name: str, workers: int, scope: str, share: float
) -> None:
    free = Simulation(tmp_path / "free", BudgetOptions(), workers, trials=PLANNED)
    whole = spent([free.run("a")], name)

    limit = whole * share / PLANNED + (spent([Simulation(tmp_path / "one", BudgetOptions(), 1, 1).run("a")], name))
    simulation = Simulation(tmp_path / "bounded", BudgetOptions(**{name: limit}, scope=scope), workers, trials=PLANNED)
    folders = [simulation.run("a"), simulation.run("b")]

    totals = [spent(folders, name)] if scope == "sweep" else [spent([folder], name) for folder in folders]
    for total in totals:
        assert 0.5 * limit < total <= 1.01 * limit
    if share == max(LIMITS):
        assert totals[0] > 0.75 * limit, "not stopped far too early"


def test_looks_are_as_frequent_as_a_hundredth_of_the_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[float] = []
    simulation = Simulation(tmp_path, BudgetOptions(hours=30 / 3600), 1, trials=PLANNED)
    look = budget_module.Spending.look

    def noted(self: budget_module.Spending) -> None:
        looked.append(simulation.clock.now)
        look(self)

    monkeypatch.setattr(budget_module.Spending, "look", noted)
    simulation.run("a")
    gaps = [after - before for before, after in itertools.pairwise(looked)]
    # Metered time runs at one hour per hour; the loading before the first look has nothing to stop.
    assert max(gaps[1:]) <= 0.01 * 30
