"""The energy monitor: records on what every second, CPU second and joule of this process was spent.

Phases follow each other or nest; what lies outside any phase is the campaign's overhead, so the rows tile the time the
monitor is open. A row is written at least every `heartbeat_s`, so a killed process loses no more than that.

The monitor holds the stack of phases, the lock and the heartbeat. `window_reader` reads the meter, `ledger_writer`
makes the rows.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import EllipsisType, TracebackType
from typing import Self

from greenkd.energy.clock import Clock
from greenkd.energy.device_sharing import Sharers
from greenkd.energy.ledger_writer import LedgerWriter
from greenkd.energy.machine import between, machine_state
from greenkd.energy.meters.base import Meter
from greenkd.energy.row_builder import CarbonTerms
from greenkd.energy.window import PhaseKey
from greenkd.energy.window_reader import WindowReader
from greenkd.errors import StorageError
from greenkd.records import Costs, LedgerRow, Phase, sum_costs


@dataclass(frozen=True, slots=True)
class PhaseHandle:
    """Takes the work that a phase did; `EnergyMonitor.phase` yields one."""

    _monitor: "EnergyMonitor"
    _key: PhaseKey

    def add_work(self, images: int, flops: float | None, forward_flops: float | None) -> None:
        """Adds work to the phase.

        Args:
            images: Training or evaluation images processed.
            flops: Forward and backward as executed; None if not countable, which makes the phase's total None.
            forward_flops: The forward part alone.
        """
        self._monitor._add_work(self._key, images, flops, forward_flops)


@dataclass(frozen=True, slots=True)
class TrialHandle(PhaseHandle):
    """Takes the work of one of several trials that run in one joint phase."""

    _joint: PhaseKey

    def add_seconds(self, seconds: float) -> None:
        """Adds seconds measured for this trial alone (its forward pass, backward pass and step)."""
        self._monitor._add_trial_seconds(self._joint, self._key, seconds)


class EnergyMonitor:
    """Records energy, time and work of one campaign in its ledger; `open_monitor` makes one.

    Use it in a `with` block: its time begins and ends with the block.

    Args:
        meter: Open and warm.
        ledger: Where rows go that name no other file.
        terms: Prices and names that stand on every row.
        heartbeat_s: Longest time between two writes.
        synchronize: Waits until the GPU has finished what it was given; called at every boundary of phases.
        sharers: Who else reads the same devices; None where the meter covers this process only.
        clock: Another clock than the process's, for tests.
    """

    def __init__(
        self,
        meter: Meter,
        *,
        ledger: Path,
        terms: CarbonTerms,
        heartbeat_s: float = 15.0,
        synchronize: Callable[[], None] | None = None,
        sharers: Sharers | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.meter = meter
        self._heartbeat_s = heartbeat_s
        self._synchronize = synchronize

        self._phases = [PhaseKey(ledger, Phase.OVERHEAD, None, 0)]  # the innermost is last
        self._windows = WindowReader(meter, sharers, clock or Clock())
        self._writer = LedgerWriter(meter, terms, ledger)

        self._lock = threading.RLock()
        self._paused = threading.Event()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="greenkd-energy", daemon=True)

    def __enter__(self) -> Self:
        with self._lock:
            self._begin()

        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()

        # An error of the training is not hidden by one of the ledger.
        try:
            self.flush()
        except StorageError as failure:
            if error is None:
                raise
            error.add_note(str(failure))

    @contextlib.contextmanager
    def phase(
        self, phase: Phase, *, trial: int | None = None, attempt: int = 0, ledger: Path | None = None
    ) -> Iterator[PhaseHandle]:
        """Charges everything until the block's end to one phase; an inner phase suspends the outer one.

        Args:
            phase: What the energy is spent on.
            trial: The trial it is spent for; None for the campaign or the teacher.
            attempt: The try at that trial, from 0.
            ledger: Another file than the campaign's.

        Yields:
            The handle that takes the phase's work.

        Raises:
            StorageError: Rows could not be written.
        """
        key = PhaseKey(ledger or self._phases[0].ledger, phase, trial, attempt)
        with self._charge(key):
            yield PhaseHandle(self, key)

    @contextlib.contextmanager
    def joint_phase(self, phase: Phase, *, trials: Mapping[int, int]) -> Iterator[dict[int, TrialHandle]]:
        """Charges everything until the block's end to several trials at once, which divide it among themselves.

        Each trial is charged the seconds that its handle was given, and an equal part of the rest.

        Args:
            phase: What the energy is spent on.
            trials: The attempt of each trial, by the trial's number.

        Yields:
            The handle that takes each trial's own work, by the trial's number.

        Raises:
            StorageError: Rows could not be written.
        """
        ledger = self._phases[0].ledger
        members = tuple(PhaseKey(ledger, phase, trial, attempt) for trial, attempt in trials.items())
        joint = PhaseKey(ledger, phase, None, 0, members)

        with self._charge(joint):
            yield {trial: TrialHandle(self, member, joint) for trial, member in zip(trials, members, strict=True)}

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Records nothing until the block's end; another monitor may record meanwhile.

        Raises:
            StorageError: Rows could not be written.
        """
        self.flush()
        with self._lock:
            self._paused.set()

        try:
            yield
        finally:
            with self._lock:
                self._paused.clear()
                self._begin()

    def flush(self) -> None:
        """Writes everything measured so far to disk.

        Raises:
            StorageError: It cannot be written.
        """
        self._write()
        self._raise_failure()

    def costs(
        self,
        *,
        trial: int | EllipsisType | None = ...,
        attempt: int | EllipsisType = ...,
        phase: Phase | None = None,
    ) -> Costs:
        """Sums what this monitor has recorded up to the last flush, in all its ledgers.

        Args:
            trial: One trial, None for what belongs to no trial; `...` for all.
            attempt: One attempt; `...` for all.
            phase: One phase; None for all.
        """
        with self._lock:
            return sum_costs(
                row
                for row in self._writer.recorded
                if trial in (..., row.trial) and attempt in (..., row.attempt) and phase in (None, row.phase)
            )

    @property
    def rows(self) -> list[LedgerRow]:
        """The rows that this monitor has made up to the last flush, in all its ledgers."""
        with self._lock:
            return list(self._writer.recorded)

    def _add_work(self, key: PhaseKey, images: int, flops: float | None, forward_flops: float | None) -> None:
        with self._lock:
            self._writer.builder(key).add_work(images, flops, forward_flops)

    def _add_trial_seconds(self, joint: PhaseKey, member: PhaseKey, seconds: float) -> None:
        with self._lock:
            self._windows.add_trial_seconds(joint, member, seconds)

    def _begin(self) -> None:
        """Begins to count, at this moment."""
        self._windows.begin()
        self._machine = machine_state(self._windows.now_s)
        self._writer.builder(self._phases[-1])  # its row begins now, not at the first change of phase

    @contextlib.contextmanager
    def _charge(self, key: PhaseKey) -> Iterator[None]:
        """Makes `key` the innermost phase until the block's end."""
        self._switch(lambda: self._phases.append(key))
        try:
            yield
        finally:
            self._switch(self._phases.pop)

        self._raise_failure()

    def _switch(self, change: Callable[[], object]) -> None:
        """Changes the innermost phase; the only work done here is two system calls, unless a window is due."""
        if self._synchronize is not None:
            self._synchronize()

        with self._lock:
            self._measure()
            change()
            self._writer.builder(self._phases[-1])

            if self._windows.is_due:
                self._close_window()

    def _measure(self) -> None:
        """Charges the time since the last call to the innermost phase."""
        key = self._phases[-1]
        self._writer.builder(key)
        self._windows.charge(key)

    def _close_window(self) -> None:
        for key, share in self._windows.close().items():
            self._writer.builder(key).add_window(share)

    def _write(self) -> None:
        """Closes the window and writes a row for every phase that gathered something."""
        if self._paused.is_set():
            return
        self._windows.wait_for_sensor()

        with self._lock:
            if self._paused.is_set():  # since the wait began
                return
            self._measure()
            self._close_window()

            # The machine's state between two writes stands on every row of the later one.
            state = machine_state(self._windows.now_s)
            machine = between(self._machine, state, self._windows.gpu_temperature_c)
            self._machine = state
            self._writer.write(machine)

    def _raise_failure(self) -> None:
        with self._lock:
            if self._writer.failure is not None:
                raise self._writer.failure

    def _beat(self) -> None:
        while not self._closing.wait(self._heartbeat_s):
            self._write()
