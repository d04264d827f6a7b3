"""The energy monitor: whose bill every second, CPU second and joule of this process goes on.

Phases follow each other or nest; what lies outside any phase is the campaign's overhead, so the rows tile the time the
monitor is open. A row is written at least every `heartbeat_s`, so a killed process loses no more than that.
"""

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import EllipsisType, TracebackType
from typing import Self

from greenkd.energy import unmetered
from greenkd.energy.clock import Clock
from greenkd.energy.device_sharing import Sharers
from greenkd.energy.machine import between, machine_state
from greenkd.energy.meters.base import Meter, Part, Reading
from greenkd.energy.row_builder import CarbonTerms, RowBuilder
from greenkd.energy.window import JOULES_PER_KWH, PhaseKey, Segment, WindowEnergy, among_members, difference, divide
from greenkd.errors import StorageError
from greenkd.records import Costs, LedgerRow, Phase, append_row, sum_costs


@dataclass(frozen=True, slots=True)
class PhaseHandle:
    """Says what work a phase did."""

    _monitor: "EnergyMonitor"
    _key: PhaseKey

    def add_work(self, images: int, flops: float | None, forward_flops: float | None) -> None:
        """Adds work to the phase's bill.

        Args:
            images: Training or evaluation images processed.
            flops: Forward and backward as executed; None if not countable, which makes the bill's total None.
            forward_flops: The forward part alone.
        """
        self._monitor._add_work(self._key, images, flops, forward_flops)


@dataclass(frozen=True, slots=True)
class TrialHandle(PhaseHandle):
    """Says what one of several trials that run side by side did."""

    _joint: PhaseKey

    def add_seconds(self, seconds: float) -> None:
        """Adds seconds measured for this trial alone (its forward pass, backward pass and step)."""
        self._monitor._add_own_seconds(self._joint, self._key, seconds)


@dataclass(slots=True)
class _Window:
    """The time since the meter was last read."""

    started: float
    cpu_started: float
    reading: Reading | None  # None: the meter failed, so there is nothing to subtract from
    sharers: dict[Part, int]
    segments: dict[PhaseKey, Segment] = field(default_factory=dict)


class EnergyMonitor:
    """Books energy, time and work of one campaign; `open_monitor` makes one.

    Args:
        meter: Open and warm.
        ledger: Where rows go that name no other file.
        terms: Prices and names that stand on every row.
        heartbeat_s: Longest time between two writes.
        synchronize: Waits until the GPU has finished what it was given; called at every boundary of phases.
        sharers: Who else reads the same devices; None where the meter covers this process only.
        clock: For tests.
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
        self._terms = terms
        self._heartbeat_s = heartbeat_s
        self._synchronize = synchronize
        self._sharers = sharers
        self._clock = clock or Clock()
        self._stack = [PhaseKey(ledger, Phase.OVERHEAD, None, 0)]
        self._entries: dict[PhaseKey, RowBuilder] = {}
        self._unwritten: list[tuple[Path, LedgerRow]] = []
        self._booked: list[LedgerRow] = []
        self._idle_w: float | None = None
        self._gpu_temperature_c: float | None = None
        self._paused = threading.Event()
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._beat, name="greenkd-energy", daemon=True)
        self._failure: StorageError | None = None

    def __enter__(self) -> Self:
        with self._lock:
            self._begin_window()
        self._thread.start()
        return self

    def _begin_window(self) -> None:
        self._at, self._cpu_at = self._clock.seconds(), self._clock.cpu_seconds()
        reading, _ = self._read()
        self._window = _Window(self._at, self._cpu_at, reading, self._count_sharers())
        self._machine = machine_state(self._at)
        self._entry(self._stack[-1])  # begins now, not at the first change of phase

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()
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
        """Puts everything until the block's end on one bill; an inner phase suspends the outer one.

        Args:
            phase: What the energy is spent on.
            trial: The trial it is spent for; None for the campaign or the teacher.
            attempt: The try at that trial, from 0.
            ledger: Another file than the campaign's.

        Raises:
            StorageError: Rows could not be written.
        """
        key = PhaseKey(ledger or self._stack[0].ledger, phase, trial, attempt)
        with self._bill(key):
            yield PhaseHandle(self, key)

    @contextlib.contextmanager
    def side_by_side(self, phase: Phase, *, trials: Mapping[int, int]) -> Iterator[dict[int, TrialHandle]]:
        """Puts everything until the block's end on the bills of trials that run side by side, the whole on all.

        Args:
            phase: What the energy is spent on.
            trials: The attempt of each trial.

        Yields:
            What each trial's own work is added with, by its number.

        Raises:
            StorageError: Rows could not be written.
        """
        ledger = self._stack[0].ledger
        members = tuple(PhaseKey(ledger, phase, trial, attempt) for trial, attempt in trials.items())
        key = PhaseKey(ledger, phase, None, 0, members)
        with self._bill(key):
            yield {trial: TrialHandle(self, member, key) for trial, member in zip(trials, members, strict=True)}

    @contextlib.contextmanager
    def _bill(self, key: PhaseKey) -> Iterator[None]:
        self._switch(lambda: self._stack.append(key))
        try:
            yield
        finally:
            self._switch(self._stack.pop)
        self._raise_failure()

    @contextlib.contextmanager
    def suspended(self) -> Iterator[None]:
        """Books nothing until the block's end; another monitor may count meanwhile.

        Raises:
            StorageError: Rows could not be written.
        """
        self._write()
        self._raise_failure()
        with self._lock:
            self._paused.set()
        try:
            yield
        finally:
            with self._lock:
                self._paused.clear()
                self._begin_window()

    def flush(self) -> None:
        """Writes everything booked so far to disk.

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
        """Sums what this monitor has booked up to the last flush, in all its ledgers.

        Args:
            trial: One trial, None for what belongs to no trial; `...` for all.
            attempt: One attempt; `...` for all.
            phase: One phase; None for all.
        """
        with self._lock:
            return sum_costs(
                row
                for row in self._booked
                if trial in (..., row.trial) and attempt in (..., row.attempt) and phase in (None, row.phase)
            )

    def _add_work(self, key: PhaseKey, images: int, flops: float | None, forward_flops: float | None) -> None:
        with self._lock:
            self._entry(key).add_work(images, flops, forward_flops)

    def _add_own_seconds(self, joint: PhaseKey, member: PhaseKey, seconds: float) -> None:
        with self._lock:
            own = self._window.segments.setdefault(joint, Segment()).own_s
            own[member] = own.get(member, 0.0) + seconds

    def _count_sharers(self) -> dict[Part, int]:
        return {} if self._sharers is None else self._sharers.counts()

    def _entry(self, key: PhaseKey) -> RowBuilder:
        if key not in self._entries:
            self._entries[key] = RowBuilder(started_at=datetime.now(UTC).isoformat(timespec="milliseconds"))
        return self._entries[key]

    def _switch(self, change: Callable[[], object]) -> None:
        """Ends one segment and starts the next; the only work done here is two system calls, unless a window is due."""
        if self._synchronize is not None:
            self._synchronize()
        with self._lock:
            self._measure()
            change()
            self._entry(self._stack[-1])
            if self._at - self._window.started >= self.meter.min_window_s:
                self._close_window()

    def _measure(self) -> None:
        """Puts the time since the last call on the current bill."""
        now, cpu = self._clock.seconds(), self._clock.cpu_seconds()
        key = self._stack[-1]
        self._entry(key)
        segment = self._window.segments.setdefault(key, Segment())
        segment.seconds += now - self._at
        segment.cpu_s += cpu - self._cpu_at
        unmetered.metered.duration_s += now - self._at
        unmetered.metered.cpu_s += cpu - self._cpu_at
        self._at, self._cpu_at = now, cpu

    def _read(self) -> tuple[Reading | None, str | None]:
        try:
            return self.meter.snapshot(), None
        except Exception as error:  # whatever a library or a user's meter raises must not end a training
            return None, f"{self.meter.name}: {type(error).__name__}: {error}"

    def _close_window(self) -> None:
        """Reads the meter and divides what it says among the window's segments."""
        if self._at <= self._window.started:
            return
        reading, problem = self._read()
        old = self._window
        cpu_s = self._cpu_at - old.cpu_started
        if problem is not None:
            energy = WindowEnergy(valid=False, warnings=(problem,))
        elif old.reading is None or reading is None:
            energy = WindowEnergy(valid=False, warnings=(f"{self.meter.name} had failed before",))
        else:
            energy = difference(self.meter, old.reading, reading, cpu_s=cpu_s)
        if reading is not None:
            self._gpu_temperature_c = reading.gpu_temperature_c
        bills = among_members(old.segments)
        keys, segments = list(bills), list(bills.values())
        window_s = self._at - old.started
        sharers = self._count_sharers()
        scale = {part: (1 / number + 1 / old.sharers.get(part, number)) / 2 for part, number in sharers.items()}
        divided = divide(energy.primary, segments, scale)
        secondary = {name: divide(value, segments) for name, value in energy.secondary.items()}
        for number, key in enumerate(keys):
            self._entry(key).add_window(
                segments[number],
                divided[number],
                {name: parts[number] for name, parts in secondary.items()},
                energy,
                window_s=window_s,
                apportioned=len(keys) > 1,
                sharers=1 / min(scale.values()) if scale else None,
            )
        self._window = _Window(self._at, self._cpu_at, reading, sharers)

    def _write(self) -> None:
        """Closes the window and writes a row for every bill that gathered something."""
        if self._paused.is_set():
            return
        self._wait_for_sensor()
        with self._lock:
            if self._paused.is_set():  # since the wait began
                return
            self._measure()
            self._close_window()
            state = machine_state(self._at)
            machine = between(self._machine, state, self._gpu_temperature_c)
            self._machine = state
            for key, entry in self._entries.items():
                if entry.duration_s > 0 or entry.images:
                    row = entry.row(key, self.meter, self._terms, machine, self._idle_w)
                    self._unwritten.append((key.ledger, row))
                    self._booked.append(row)
                    if key.phase is Phase.IDLE and row.energy_kwh is not None and row.duration_s > 0:
                        self._idle_w = row.energy_kwh * JOULES_PER_KWH / row.duration_s
            self._entries = {}
            self._failure = self._append(self._unwritten)

    def _append(self, rows: list[tuple[Path, LedgerRow]]) -> StorageError | None:
        """Writes rows, oldest first; what cannot be written stays in the list for the next time."""
        while rows:
            path, row = rows[0]
            try:
                append_row(path, row)
            except StorageError as error:
                return error
            rows.pop(0)
        return None

    def _raise_failure(self) -> None:
        with self._lock:
            if self._failure is not None:
                raise self._failure

    def _wait_for_sensor(self) -> None:
        remaining = self.meter.resolution_s - (self._clock.seconds() - self._window.started)
        if remaining > 0:
            self._clock.sleep(remaining)

    def _beat(self) -> None:
        while not self._closing.wait(self._heartbeat_s):
            self._write()
