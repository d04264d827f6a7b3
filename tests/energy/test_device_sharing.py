"""Parallel work is not counted twice: processes that read one device, and trials trained side by side."""

import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from greenkd.energy import EnergyMonitor
from greenkd.energy.device_sharing import Sharers
from greenkd.energy.meters.base import MACHINE
from greenkd.energy.window import Energies, PhaseKey, Segment, among_members, divide
from greenkd.records import LedgerRow, Phase, Source, read_rows
from tests.energy.fakes import FakeClock, FakeMeter
from tests.energy.test_monitor import TERMS, rows


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
    books = []
    for number in range(2):
        meter = FakeMeter(clock)
        meter.shared = {"cpu": MACHINE}
        ledger = tmp_path / f"{number}.jsonl"
        sharers = Sharers(meter.shared, tmp_path / "folder")
        books.append(EnergyMonitor(meter, ledger=ledger, terms=TERMS, heartbeat_s=3600, sharers=sharers, clock=clock))
    with books[0], books[1]:
        # The first opened its window before the second process existed to it: close that one.
        for monitor in books:
            clock.pass_time(0.001)
            monitor.flush()
        for monitor in books:
            monitor._booked.clear()
        started = clock.now
        with books[0].phase(Phase.STUDENT_TRAINING, trial=0), books[1].phase(Phase.STUDENT_TRAINING, trial=1):
            clock.pass_time(100)
        assert clock.now - started == pytest.approx(100)
    first = rows_of(tmp_path / "0.jsonl", 0)
    second = rows_of(tmp_path / "1.jsonl", 1)
    assert first.sharers == second.sharers == pytest.approx(2.0)
    assert first.energy_kwh + second.energy_kwh == pytest.approx(1e-3)  # type: ignore[operator]


def rows_of(ledger: Path, trial: int) -> LedgerRow:
    return next(row for row in read_rows(ledger, LedgerRow).rows if row.trial == trial)


def test_trials_side_by_side_share_equally(tmp_path: Path) -> None:
    clock = FakeClock()
    ledger = tmp_path / "ledger.jsonl"
    with EnergyMonitor(FakeMeter(clock), ledger=ledger, terms=TERMS, heartbeat_s=3600, clock=clock) as monitor:
        with monitor.side_by_side(Phase.STUDENT_TRAINING, trials={0: 0, 1: 2, 2: 0}) as handles:
            clock.pass_time(300)
            for handle in handles.values():
                handle.add_work(10, 1.0, 1.0)
        assert monitor.costs().duration_s == 0
    booked = rows(ledger)
    for trial, attempt in [(0, 0), (1, 2), (2, 0)]:
        row = booked[Phase.STUDENT_TRAINING, trial, attempt]
        assert row.energy_kwh == pytest.approx(1e-3)
        assert row.duration_s == pytest.approx(100)
        assert (row.images, row.apportioned) == (10, True)
    assert (Phase.STUDENT_TRAINING, None, 0) not in booked


def test_unlike_students_bear_their_own_seconds_and_an_equal_part_of_the_rest(tmp_path: Path) -> None:
    clock = FakeClock()
    ledger = tmp_path / "ledger.jsonl"
    with (
        EnergyMonitor(FakeMeter(clock), ledger=ledger, terms=TERMS, heartbeat_s=3600, clock=clock) as monitor,
        monitor.side_by_side(Phase.STUDENT_TRAINING, trials={0: 0, 1: 0}) as handles,
    ):
        handles[0].add_seconds(50.0)
        clock.pass_time(100)
        handles[1].add_seconds(10.0)
    booked = rows(ledger)
    assert booked[Phase.STUDENT_TRAINING, 0, 0].duration_s == pytest.approx(50 + 20)
    assert booked[Phase.STUDENT_TRAINING, 1, 0].duration_s == pytest.approx(10 + 20)
    assert booked[Phase.STUDENT_TRAINING, 0, 0].energy_kwh == pytest.approx(0.7e-3)


amounts = st.floats(min_value=0, max_value=1e4, allow_subnormal=False)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(amounts, amounts, amounts), min_size=1, max_size=8),
    st.tuples(amounts, amounts),
    amounts,
)
def test_whatever_ran_side_by_side_the_parts_add_up_to_the_whole(
    members: list[tuple[float, float, float]], alone: tuple[float, float], joules: float
) -> None:
    keys = [PhaseKey(Path("l"), Phase.STUDENT_TRAINING, number, 0) for number in range(len(members))]
    joint = PhaseKey(Path("l"), Phase.STUDENT_TRAINING, None, 0, tuple(keys))
    other = PhaseKey(Path("l"), Phase.OVERHEAD, None, 0)
    seconds = sum(member[0] for member in members)
    segment = Segment(
        seconds, sum(member[1] for member in members), dict(zip(keys, (m[2] for m in members), strict=True))
    )
    bills = among_members({joint: segment, other: Segment(*alone)})
    assert sum(bills[key].seconds for key in keys) == segment.seconds
    assert sum(bills[key].cpu_s for key in keys) == segment.cpu_s
    whole = Energies(
        {"cpu": joules, "gpu": joules / 3, "ram": None}, dict.fromkeys(("cpu", "gpu", "ram"), Source.MODELLED)
    )
    divided = divide(whole, list(bills.values()))
    assert sum(share.kwh["cpu"] or 0.0 for share in divided) == whole.kwh["cpu"]
    assert sum(share.kwh["gpu"] or 0.0 for share in divided) == whole.kwh["gpu"]
    assert all(share.kwh["ram"] is None for share in divided)
