"""Budgets: what one campaign, or all campaigns of a sweep together, may spend before it is stopped."""

import math
import time
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Literal

import pydantic
from pydantic import ConfigDict, Field

from greenkd.campaign.amounts import LEDGER_FIELDS, Amounts, plus, times
from greenkd.campaign.spending import FinishPlan, Spending
from greenkd.components import read
from greenkd.energy import EnergyMonitor
from greenkd.errors import BudgetSpentError, ConfigError

Limit = Annotated[float, Field(gt=0, allow_inf_nan=False)] | None

# A process looks at what was spent each time that this share of a limit may have gone since its last look, and at
# least so often (seconds). A look writes the ledger and reads what is new in all: it may take 1/20 of the time.
LOOK_SHARE = 0.005
LOOK_EVERY_S = 15.0
_LOOK_COST = 20

# Seconds that are held back for a stop (checkpoints, rows), and for the end of campaign and command.
_STOP_S, _CLOSING_S = 0.2, 0.5
# The share of a limit without which no campaign begins; of a speed seen before, what is believed at the next look.
_LEAST_SHARE, _BELIEVED_SPEED = 0.01, 0.8


@pydantic.dataclasses.dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class BudgetOptions:
    """The group of root keys `budget`; null is no limit.

    Attributes:
        kwh: Energy at the device.
        co2_g: Grams of CO2 equivalents, at the intensity and PUE of the group `energy`.
        hours: Metered hours; those of processes that run side by side are added up.
        gflops: 1e9 FLOPs, forward and backward.
        scope: Whether the limits hold for each campaign or for the sweep.
    """

    kwh: Limit = None
    co2_g: Limit = None
    hours: Limit = None
    gflops: Limit = None
    scope: Literal["campaign", "sweep"] = "campaign"

    @property
    def limits(self) -> dict[str, float]:
        """The limits that are set."""
        named = {name: getattr(self, name) for name in LEDGER_FIELDS}
        return {name: value for name, value in named.items() if value is not None}


def read_budget(config: object) -> BudgetOptions:
    """Reads `budget`.

    Raises:
        ConfigError: A key is unknown, or a value is refused.
    """
    return read(BudgetOptions, config, "budget")


class Budget:
    """Watches what a campaign spends, and stops its trainings before a limit, with a checkpoint.

    Spent is what the campaign has really paid, whichever process and attempt: its own ledger, its rows in the ledgers
    of teachers and logits, and its command's start-up. Held back is what is still to come if it ends now: the tests of
    its complete trials, the metered inference, and what may be spent until the next look, here and by other workers.

    Args:
        options: The limits.
        folder: The campaign's folder; with scope `sweep`, the folders beside it count too.
        cache: Where the ledgers of teachers and logits lie.
        monitor: Records what this process spends on the campaign.
        processes: That run its trials side by side.
        clock: Another clock than the process's, for tests.

    Attributes:
        stopped: True when trials remain that the limits do not allow.

    Raises:
        ConfigError: A limit is set on what the meter does not measure.
    """

    def __init__(
        self,
        options: BudgetOptions,
        folder: Path,
        cache: Path,
        monitor: EnergyMonitor,
        processes: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        energies = [name for name in ("kwh", "co2_g") if name in options.limits]
        if monitor.meter.method == "none" and energies:
            raise ConfigError(
                f"budget.{energies[0]}: energy=none measures none; choose a meter, or budget.gflops or .hours"
            )

        self._limits = options.limits
        whole_sweep = options.scope == "sweep"
        self._spending = Spending(folder, cache, monitor, whole_sweep=whole_sweep, counts_energy=bool(energies))
        self._processes, self._clock = processes, clock
        self._finish: FinishPlan | None = None
        self.stopped = False

        # The last look: when it was, what this process had spent, how fast, and what is held back until the next
        self._looked_at = self._next_look = clock()
        self._spent: Amounts = {}
        self._own: Amounts = {}
        self._per_second: Amounts = {}
        self._until_next_look: Amounts = {}

        # Of the training that runs: what was spent before it, its epochs so far, how many run in lockstep
        self._spent_before: Amounts = {}
        self._epochs = 0
        self._together = 1
        self._judged_at = self._began_at = self._looked_at
        self._is_in_last_epoch = False
        self._stop_before_next_epoch = False

    def plan_finish(self, plan: FinishPlan) -> None:
        """Says what the end of the campaign consists of, once networks and data are known."""
        self._finish = plan

    def is_spent(self) -> bool:
        """Tells whether a limit is reached, but for what beginning and closing a campaign would take."""
        if not self._limits:
            return False
        self._look()
        least = times(self._limits, _LEAST_SHARE)
        return self._crosses(least) or self._crosses(self._spending.seconds(_CLOSING_S))

    def begin_teacher(self) -> None:
        """Takes note that the teacher's training begins, if it has to be trained."""
        if self._limits:
            self._look()
            self._begin(together=1)

    def begin_trials(self, together: int, running: Collection[int] = (), *, own_logits: bool = False) -> int:
        """Says how many trials fit into what remains, if each costs what finished ones did on average.

        Args:
            together: How many are to begin, in lockstep.
            running: Trials that other processes run; what they will still take is held back.
            own_logits: Every trial has teacher logits of its own to pay.

        Returns:
            How many of them may begin, at least one.

        Raises:
            BudgetSpentError: A single one would cross a limit.
        """
        self.stopped = False  # what was asked of a training that ended by itself
        if not self._limits:
            return together

        # What a trial costs, by those that have ended; some of it is paid where one goes on
        self._look()
        spending = self._spending
        per_trial = spending.per_trial(own_logits=own_logits)
        others = [self._remaining(per_trial, trial) for trial in running]
        going_on = [trial for trial in spending.interrupted() if trial not in running]

        while True:
            begun = [self._remaining(per_trial, trial) for trial in going_on[:together]]
            fresh = times(per_trial, together - len(begun))
            reserve = self._reserve(spending.complete() + len(others) + together)
            if not self._crosses(plus(*others, *begun, fresh, reserve)):
                break
            together -= 1
            if together == 0:
                self.stopped = True
                raise BudgetSpentError("stopped by budget")
        self._begin(together)
        return together

    def passes_left(self, flops: float, networks: int) -> int | None:
        """Returns how many passes of so many FLOPs each of some networks may make, one at least; None: any number."""
        limit = self._limits.get("gflops")
        if limit is None or not flops:
            return None
        self._look()
        left = 1e9 * (limit - self._spent.get("gflops", 0.0))
        return max(int(left / networks / flops), 1)

    def lift(self) -> None:
        """Holds nothing back any more: what is still to be trained has to be, before the campaign can end."""
        self._limits = {}
        self._stop_before_next_epoch = False

    def epoch_finished(self, epochs_to_come: int) -> None:
        """Looks whether the next epoch would cross a limit, unless it is too short to matter.

        Args:
            epochs_to_come: Epochs of this training that are to come.
        """
        if not self._limits or not epochs_to_come:
            return
        self._epochs += 1
        self._is_in_last_epoch = epochs_to_come == 1
        if self._clock() - self._judged_at < self._next_look - self._looked_at:
            return

        # What was spent since the training began is spent again, by all processes, in as many epochs.
        self._look()
        self._judged_at = self._looked_at
        rounds = math.ceil(self._epochs / self._together)  # the first of several in lockstep speaks for all
        since = plus(self._spent, times(self._spent_before, -1.0))
        if self._crosses(plus(times(since, 1 / rounds), self._reserve_now())):
            self.stopped = self._stop_before_next_epoch = True

    def before_epoch(self) -> None:
        """Stops a training whose next epoch would cross a limit; called before every epoch.

        Raises:
            BudgetSpentError: It would.
        """
        if self._stop_before_next_epoch:
            self._stop_before_next_epoch = False
            raise BudgetSpentError("stopped by budget")

    def before_step(self) -> bool:
        """Stops a training at a limit, within an epoch too; called before every step.

        Returns:
            True: the training goes on.

        Raises:
            BudgetSpentError: What is spent, and what is held back, reach a limit.
        """
        if self._limits and self._clock() >= self._next_look:
            self._look()
            if self._crosses(self._reserve_now()):
                self.stopped = True
                raise BudgetSpentError("stopped by budget")
        return True

    def _begin(self, together: int) -> None:
        self._spent_before, self._judged_at = self._spent, self._looked_at
        self._epochs, self._together = 0, together
        self._is_in_last_epoch = self._stop_before_next_epoch = False
        self._began_at = self._next_look = self._looked_at

    def _remaining(self, per_trial: Amounts, trial: int) -> Amounts:
        """Returns what a trial that has begun will still take."""
        spent = self._spending.of_trial(trial)
        return {name: max(amount - spent.get(name, 0.0), 0.0) for name, amount in per_trial.items()}

    def _reserve_now(self) -> Amounts:
        """Returns what is held back while a training runs: trials in their last epoch will be tested too."""
        running = max(self._processes, self._together) if self._is_in_last_epoch else 0
        return self._reserve(self._spending.complete() + running)

    def _reserve(self, tests: int) -> Amounts:
        """Returns what is held back if so many trials will be complete."""
        finish = {} if self._finish is None else self._spending.finish(tests, self._finish)
        return plus(self._until_next_look, self._spending.seconds(_CLOSING_S), finish)

    def _crosses(self, more: Mapping[str, float]) -> bool:
        return any(self._spent.get(name, 0.0) + more.get(name, 0.0) > limit for name, limit in self._limits.items())

    def _look(self) -> None:
        """Reads what was spent, and plans the next look by how fast this process spends."""
        began, before, own_before = self._clock(), self._looked_at, self._own
        self._spending.look()
        self._spent, self._own = self._spending.total(), self._spending.own()
        self._looked_at = self._clock()
        self._note_speed(plus(self._own, times(own_before, -1.0)), self._looked_at - before)

        # The next look comes when a limit may have lost its share.
        speeds = {name: self._per_second.get(name, 0.0) * self._processes for name in self._limits}
        shares = [LOOK_SHARE * limit / speeds[name] for name, limit in self._limits.items() if speeds[name] > 0]
        known_for = self._looked_at - self._began_at  # a speed is not known before the first steps
        wait = max(min([LOOK_EVERY_S, known_for, *shares]), _LOOK_COST * (self._looked_at - began))
        self._next_look = self._looked_at + wait

        # Until then all processes spend as this one does; of the others, what they spent since they looked is not seen.
        unseen = times(speeds, (2 - 1 / self._processes) * wait)
        self._until_next_look = plus(unseen, times(self._spending.seconds(_STOP_S), self._processes))

    def _note_speed(self, spent: Amounts, elapsed: float) -> None:
        """Takes down how fast this process spends; a lower speed is believed little by little, as after a pause."""
        if elapsed > 0:
            names = {*spent, *self._per_second}
            slower = times(self._per_second, _BELIEVED_SPEED)
            self._per_second = {name: max(spent.get(name, 0.0) / elapsed, slower.get(name, 0.0)) for name in names}


def stopped_message(ended: int, planned: int) -> str:
    """Returns what tables say of a campaign that its budget stopped.

    Args:
        ended: Trials that have ended.
        planned: Trials that the strategy asks for.
    """
    return f"stopped by budget after {ended} of {planned}"
