"""Parallel work is not counted twice: processes that read one device divide it."""

import subprocess
import sys
from pathlib import Path

import pytest

from greenkd.energy import EnergyMonitor
from greenkd.energy.device_sharing import Sharers
from greenkd.energy.meters.base import MACHINE
from greenkd.records import LedgerRow, Phase, read_rows
from tests.energy.fakes import FakeClock, FakeMeter
from tests.energy.test_monitor import TERMS


def test_processes_that_read_the_same_device_are_counted(tmp_path: Path) -> None:
    first = Sharers({"cpu": MACHINE, "gpu": frozenset({"GPU-a"})}, tmp_path)
    assert first.counts() == {"cpu": 1, "gpu": 1}
    second = Sharers({"cpu": MACHINE, "gpu": frozenset({"GPU-b"})}, tmp_path)
    third = Sharers({"gpu": frozenset({"GPU-a", "GPU-b"})}, tmp_path)
    assert first.counts() == {"cpu": 2, "gpu": 2}
    assert second.counts() == {"cpu": 2, "gpu": 2}
    assert third.counts() == {"gpu": 3}
    second.close()
    assert first.counts() == {"cpu": 1, "gpu": 2}
    third.close()
    first.close()
    assert list(tmp_path.iterdir()) == []


def test_a_killed_process_shares_no_more(tmp_path: Path) -> None:
    program = f"""
from pathlib import Path
from greenkd.energy.device_sharing import Sharers
sharers = Sharers({{"cpu": frozenset({{"machine"}})}}, Path({str(tmp_path)!r}))
print("open", flush=True)
input()
"""
    own = Sharers({"cpu": MACHINE}, tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    assert own.counts() == {"cpu": 2}
    process.kill()
    process.communicate()
    assert own.counts() == {"cpu": 1}
    own.close()


def test_two_processes_divide_the_machine_and_their_sum_is_the_whole(tmp_path: Path) -> None:
    clock = FakeClock()
    monitors = []
    for number in range(2):
        meter = FakeMeter(clock)
        meter.shared = {"cpu": MACHINE}
        ledger = tmp_path / f"{number}.jsonl"
        sharers = Sharers(meter.shared, tmp_path / "folder")
        monitors.append(
            EnergyMonitor(meter, ledger=ledger, terms=TERMS, heartbeat_s=3600, sharers=sharers, clock=clock)
        )
    with monitors[0], monitors[1]:
        # The first opened its window before the second process existed to it: close that one.
        for monitor in monitors:
            clock.pass_time(0.001)
            monitor.flush()
        started = clock.now
        with monitors[0].phase(Phase.STUDENT_TRAINING, trial=0), monitors[1].phase(Phase.STUDENT_TRAINING, trial=1):
            clock.pass_time(100)
        assert clock.now - started == pytest.approx(100)
    first = rows_of(tmp_path / "0.jsonl", 0)
    second = rows_of(tmp_path / "1.jsonl", 1)
    assert first.sharers == second.sharers == pytest.approx(2.0)
    assert first.energy_kwh + second.energy_kwh == pytest.approx(1e-3)  # type: ignore[operator]


def rows_of(ledger: Path, trial: int) -> LedgerRow:
    return next(row for row in read_rows(ledger, LedgerRow).rows if row.trial == trial)
