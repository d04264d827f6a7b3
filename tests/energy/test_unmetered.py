"""Time that is not metered: a suspended monitor, and a campaign's share of what its command takes outside monitors."""

from pathlib import Path

import pytest

from greenkd.energy import EnergyMonitor
from greenkd.energy.unmetered import Seconds, process_started_at, recorded, since_process_start, unmetered_row
from greenkd.records import UNMETERED, LedgerRow, Phase, Source, read_rows
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
