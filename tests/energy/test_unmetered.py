"""Time that is not metered: a suspended monitor, and a campaign's share of what its command takes outside monitors."""

import subprocess
import sys
from pathlib import Path

import pytest

from greenkd.energy import EnergyMonitor, unmetered
from greenkd.energy.unmetered import (
    Seconds,
    process_started_at,
    record_own_start,
    recorded,
    since_process_start,
    unmetered_row,
)
from greenkd.records import UNMETERED, LedgerRow, Phase, Source, is_start_up, read_rows
from tests.energy.fakes import FakeClock, FakeMeter
from tests.energy.test_monitor import TERMS, WH, make


def test_a_suspended_monitor_records_nothing(tmp_path: Path) -> None:
    clock, ledger = FakeClock(), tmp_path / "ledger.jsonl"
    with make(FakeMeter(clock), clock, ledger) as monitor:
        clock.pass_time(50)
        with monitor.suspended():
            clock.pass_time(1000)
            monitor.flush()  # as the heartbeat does
        clock.pass_time(50)
    rows = read_rows(ledger, LedgerRow).rows
    assert sum(row.duration_s for row in rows) == pytest.approx(100)
    assert sum(row.energy_kwh or 0 for row in rows) == pytest.approx(1 * WH)


def test_two_monitors_in_turns_share_the_time_without_overlap(tmp_path: Path) -> None:
    clock = FakeClock()
    meter = FakeMeter(clock)
    before = Seconds(recorded.duration_s, recorded.cpu_s)
    first, second = (make(meter, clock, tmp_path / name) for name in ("a.jsonl", "b.jsonl"))
    with first:
        clock.pass_time(10)
        with first.suspended(), second, second.phase(Phase.STUDENT_TRAINING, trial=0):
            clock.pass_time(20)
        clock.pass_time(30)
    spent = {name: read_rows(tmp_path / name, LedgerRow).rows for name in ("a.jsonl", "b.jsonl")}
    assert sum(row.duration_s for row in spent["a.jsonl"]) == pytest.approx(40)
    assert sum(row.duration_s for row in spent["b.jsonl"]) == pytest.approx(20)
    assert recorded.duration_s - before.duration_s == pytest.approx(60)


def ledger_rows(tmp_path: Path) -> list[LedgerRow]:
    clock, ledger = FakeClock(), tmp_path / "ledger.jsonl"
    monitor: EnergyMonitor
    with make(FakeMeter(clock), clock, ledger) as monitor, monitor.phase(Phase.STUDENT_TRAINING, trial=0) as handle:
        clock.pass_time(200)
        handle.add_work(10, 5.0, 2.0)
    return read_rows(ledger, LedgerRow).rows


def test_a_share_has_the_power_of_the_campaigns_own_rows(tmp_path: Path) -> None:
    rows = ledger_rows(tmp_path)
    row = unmetered_row(rows, Seconds(duration_s=20.0, cpu_s=20.0))
    assert row is not None
    whole_s = sum(each.duration_s for each in rows)
    assert row.energy_kwh == pytest.approx(sum(each.energy_kwh or 0 for each in rows) * 20 / whole_s)
    assert row.co2eq_g == pytest.approx((row.energy_kwh or 0) * TERMS.pue * TERMS.intensity.g_per_kwh)
    assert (row.phase, row.trial, row.images, row.flops) == (Phase.START_UP, None, 0, 0.0)
    assert (row.duration_s, row.cpu_s) == (20.0, 20.0)
    assert row.apportioned
    assert row.warnings == (UNMETERED,)
    assert Source.MEASURED not in (row.cpu_source, row.gpu_source, row.ram_source)
    assert (row.meter, row.method) == (rows[0].meter, rows[0].method)


def test_without_valid_rows_there_is_no_share(tmp_path: Path) -> None:
    assert unmetered_row([], Seconds(1.0, 1.0)) is None


def test_the_process_has_a_start() -> None:
    whole = since_process_start()
    assert whole.duration_s > 0
    assert whole.cpu_s > 0
    assert process_started_at().startswith("20")


def test_a_process_of_one_campaign_records_its_own_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows, ledger = ledger_rows(tmp_path), tmp_path / "ledger.jsonl"
    monkeypatch.setattr(unmetered, "recorded", Seconds(duration_s=30.0, cpu_s=4.0))
    monkeypatch.setattr(unmetered, "since_process_start", lambda: Seconds(duration_s=42.0, cpu_s=9.0))
    record_own_start(ledger)
    (row,) = read_rows(ledger, LedgerRow).rows[len(rows) :]
    assert (row.duration_s, row.cpu_s) == (12.0, 5.0)
    assert is_start_up(row)

    record_own_start(tmp_path / "of_another_process.jsonl")
    assert not (tmp_path / "of_another_process.jsonl").exists()


def test_what_a_shell_did_before_it_became_the_command_is_no_start_up() -> None:
    # The shell's earlier command counts as the program's child, and the shell's age as its own.
    busy = "import time\nwhile time.process_time() < 1.5: pass"
    told = (
        "import os, psutil, time\n"
        "from greenkd.energy.unmetered import since_process_start\n"
        "start, times = since_process_start(), os.times()\n"
        "print(start.cpu_s, start.duration_s, sum(times[:4]), time.time() - psutil.Process().create_time())"
    )
    script = f"'{sys.executable}' -c '{busy}'; exec '{sys.executable}' -c '{told}'"
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True)

    cpu_s, duration_s, all_cpu_s, age_s = map(float, done.stdout.split())
    assert 0 < cpu_s <= all_cpu_s - 1.4
    assert 0 < duration_s <= age_s - 1.4
