from collections.abc import Callable
from pathlib import Path

import pytest

from greenkd.carbon import Intensity
from greenkd.energy import CpuTime, EnergyMonitor, NoMeter
from greenkd.energy.meters.base import Meter
from greenkd.energy.row_builder import CarbonTerms
from greenkd.errors import StorageError
from greenkd.records import LedgerRow, Phase, Source, read_rows
from tests.energy.fakes import FakeClock, FakeMeter

TERMS = CarbonTerms(
    campaign_id="c1",
    intensity=Intensity(g_per_kwh=200.0, source="a test", year=2020, region="here", is_default=False),
    pue=1.5,
    pue_source="a test",
    watts_per_thread=4.0,
)
WH = 1e-3  # kWh


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def ledger(tmp_path: Path) -> Path:
    return tmp_path / "ledger.jsonl"


def make(meter: Meter, clock: FakeClock, ledger: Path, synchronize: Callable[[], None] | None = None) -> EnergyMonitor:
    return EnergyMonitor(meter, ledger=ledger, terms=TERMS, clock=clock, heartbeat_s=3600, synchronize=synchronize)


def rows(ledger: Path) -> dict[tuple[Phase, int | None, int], LedgerRow]:
    read = read_rows(ledger, LedgerRow)
    assert not read.torn
    keyed = {(row.phase, row.trial, row.attempt): row for row in read.rows}
    assert len(keyed) == len(read.rows)
    return keyed


def test_phases_tile_the_time_and_the_rest_is_overhead(clock: FakeClock, ledger: Path) -> None:
    with make(FakeMeter(clock), clock, ledger) as monitor:
        clock.pass_time(50)
        with monitor.phase(Phase.STUDENT_TRAINING, trial=3, attempt=1) as handle:
            clock.pass_time(200)
            handle.add_work(64, 10.0, 4.0)
            handle.add_work(36, 5.0, 2.0)
        clock.pass_time(50)
    recorded = rows(ledger)
    overhead = recorded[Phase.OVERHEAD, None, 0]
    training = recorded[Phase.STUDENT_TRAINING, 3, 1]
    assert overhead.duration_s == pytest.approx(100)
    assert overhead.energy_kwh == pytest.approx(1 * WH)
    assert training.duration_s == pytest.approx(200)
    assert training.cpu_s == pytest.approx(200)
    assert training.energy_kwh == pytest.approx(2 * WH)
    assert training.co2eq_g == pytest.approx(2 * WH * 1.5 * 200)
    assert (training.images, training.flops, training.forward_flops) == (100, 15.0, 6.0)
    assert training.cpu_time_kwh == pytest.approx(200 * 4.0 / 3.6e6)
    assert (training.meter, training.method, training.cpu_source) == ("fake 1.0", "counter", Source.MEASURED)
    assert (training.intensity_year, training.intensity_region, training.intensity_is_default) == (2020, "here", False)
    assert not training.apportioned
    assert training.gpu_kwh is None
    assert training.gpu_source is Source.ABSENT


def test_an_inner_phase_suspends_the_outer(clock: FakeClock, ledger: Path) -> None:
    with make(FakeMeter(clock), clock, ledger) as monitor, monitor.phase(Phase.STUDENT_TRAINING, trial=0) as outer:
        clock.pass_time(100)
        with monitor.phase(Phase.VALIDATION, trial=0):
            clock.pass_time(30)
            outer.add_work(1, None, None)
        clock.pass_time(100)
    recorded = rows(ledger)
    assert recorded[Phase.STUDENT_TRAINING, 0, 0].duration_s == pytest.approx(200)
    assert recorded[Phase.STUDENT_TRAINING, 0, 0].images == 1
    assert recorded[Phase.STUDENT_TRAINING, 0, 0].flops is None
    assert recorded[Phase.VALIDATION, 0, 0].duration_s == pytest.approx(30)
    assert recorded[Phase.VALIDATION, 0, 0].energy_kwh == pytest.approx(0.3 * WH)


def test_another_ledger_gets_the_teachers_rows(clock: FakeClock, ledger: Path, tmp_path: Path) -> None:
    teacher = tmp_path / "teacher.jsonl"
    with make(FakeMeter(clock), clock, ledger) as monitor:
        with monitor.phase(Phase.TEACHER_TRAINING, ledger=teacher):
            clock.pass_time(10)
        assert not teacher.exists()
        monitor.flush()
        assert list(rows(teacher)) == [(Phase.TEACHER_TRAINING, None, 0)]
        assert monitor.costs(phase=Phase.TEACHER_TRAINING).energy_kwh == pytest.approx(0.1 * WH)
    assert (Phase.TEACHER_TRAINING, None, 0) not in rows(ledger)


def test_short_windows_are_merged_and_divided(clock: FakeClock, ledger: Path) -> None:
    meter = FakeMeter(clock, min_window_s=1000.0)
    meter.ram_watts = 10.0
    with make(meter, clock, ledger) as monitor:
        opened = meter.snapshots
        for trial in range(4):
            with monitor.phase(Phase.STUDENT_TRAINING, trial=trial):
                clock.pass_time(10, cpu_share=trial / 2)
        assert meter.snapshots == opened
    recorded = rows(ledger)
    # 60 CPU seconds in 40 s at 36 W: the processor's energy goes by CPU seconds, the memory's by seconds.
    for trial in range(4):
        row = recorded[Phase.STUDENT_TRAINING, trial, 0]
        assert row.apportioned
        assert row.cpu_kwh == pytest.approx(40 * 36 / 3.6e6 * (trial * 5) / 30)
        assert row.ram_kwh == pytest.approx(10 * 10 / 3.6e6)
        assert row.duration_s == pytest.approx(10)


def test_windows_of_one_phase_are_not_apportioned_but_joined_in_one_row(clock: FakeClock, ledger: Path) -> None:
    meter = FakeMeter(clock, min_window_s=5.0)
    with make(meter, clock, ledger) as monitor, monitor.phase(Phase.STUDENT_TRAINING, trial=0):
        for _ in range(6):
            with monitor.phase(Phase.VALIDATION, trial=0):
                clock.pass_time(6)
    assert rows(ledger)[Phase.VALIDATION, 0, 0].energy_kwh == pytest.approx(0.36 * WH)


def test_an_expected_device_that_reads_zero_makes_the_row_invalid(clock: FakeClock, ledger: Path) -> None:
    meter = FakeMeter(clock)
    meter.expected = frozenset({"cpu", "gpu"})
    meter.gpu_joules = 7.0
    with make(meter, clock, ledger) as monitor, monitor.phase(Phase.STUDENT_TRAINING, trial=0):
        clock.pass_time(100)
    row = rows(ledger)[Phase.STUDENT_TRAINING, 0, 0]
    assert row.status == "invalid"
    assert row.energy_kwh is None
    assert row.co2eq_g is None
    assert row.gpu_kwh is None
    assert row.gpu_source is Source.ABSENT
    assert row.cpu_kwh == pytest.approx(1 * WH)
    assert row.cpu_s == pytest.approx(100)
    assert "gpu: fake says 0 J" in row.warnings
    assert monitor.costs().energy_kwh is None


def test_an_expected_device_that_is_absent_makes_the_row_invalid(clock: FakeClock, ledger: Path) -> None:
    meter = FakeMeter(clock)
    meter.expected = frozenset({"gpu"})
    with make(meter, clock, ledger):
        clock.pass_time(1)
    assert rows(ledger)[Phase.OVERHEAD, None, 0].status == "invalid"


def test_a_failing_meter_never_ends_a_training(clock: FakeClock, ledger: Path) -> None:
    meter = FakeMeter(clock)
    with make(meter, clock, ledger) as monitor:
        meter.error = RuntimeError("sensor fell off")
        with monitor.phase(Phase.STUDENT_TRAINING, trial=0):
            clock.pass_time(100)
        meter.error = None
        with monitor.phase(Phase.STUDENT_TRAINING, trial=1):
            clock.pass_time(100)
        with monitor.phase(Phase.STUDENT_TRAINING, trial=2):
            clock.pass_time(100)
    recorded = rows(ledger)
    assert recorded[Phase.STUDENT_TRAINING, 0, 0].status == "invalid"
    assert recorded[Phase.STUDENT_TRAINING, 0, 0].duration_s == pytest.approx(100)
    assert "fake: RuntimeError: sensor fell off" in recorded[Phase.STUDENT_TRAINING, 0, 0].warnings
    # The first reading after the failure covers the failed time as well: no number rather than a wrong one.
    assert recorded[Phase.STUDENT_TRAINING, 2, 0].status == "ok"
    assert recorded[Phase.STUDENT_TRAINING, 2, 0].energy_kwh == pytest.approx(1 * WH)


def test_no_reading_is_taken_over_less_than_the_sensors_period(clock: FakeClock, ledger: Path) -> None:
    with make(FakeMeter(clock, min_window_s=5.0, resolution_s=0.2), clock, ledger) as monitor:
        with monitor.phase(Phase.TEST, trial=0):
            clock.pass_time(0.05)
        monitor.flush()
        row = rows(ledger)[Phase.TEST, 0, 0]
    assert row.status == "ok"
    assert row.energy_kwh == pytest.approx(0.2 * 36 / 3.6e6)
    assert row.resolution_share == pytest.approx(2.0)


def test_costs_select_by_trial_attempt_and_phase(clock: FakeClock, ledger: Path) -> None:
    with make(FakeMeter(clock), clock, ledger) as monitor:
        for trial, attempt in [(0, 0), (0, 1), (1, 0)]:
            with monitor.phase(Phase.STUDENT_TRAINING, trial=trial, attempt=attempt):
                clock.pass_time(10)
            with monitor.phase(Phase.VALIDATION, trial=trial, attempt=attempt):
                clock.pass_time(1)
        monitor.flush()
        assert monitor.costs(trial=0).duration_s == pytest.approx(22)
        assert monitor.costs(trial=0, attempt=1).duration_s == pytest.approx(11)
        assert monitor.costs(phase=Phase.VALIDATION).duration_s == pytest.approx(3)
        assert monitor.costs(trial=None).duration_s == pytest.approx(0)
        assert monitor.costs().duration_s == pytest.approx(33)
        assert monitor.costs(trial=9).energy_kwh == 0


def test_the_gpu_is_waited_for_at_every_boundary(clock: FakeClock, ledger: Path) -> None:
    with make(FakeMeter(clock), clock, ledger, synchronize=lambda: clock.pass_time(10)) as monitor:
        with monitor.phase(Phase.STUDENT_TRAINING, trial=0):
            clock.pass_time(1)
        clock.pass_time(1)
    recorded = rows(ledger)
    assert recorded[Phase.STUDENT_TRAINING, 0, 0].duration_s == pytest.approx(11)
    assert recorded[Phase.OVERHEAD, None, 0].duration_s == pytest.approx(11)


def test_an_unwritable_ledger_is_reported_at_the_next_boundary_and_loses_nothing(
    clock: FakeClock, ledger: Path
) -> None:
    ledger.mkdir()
    with make(FakeMeter(clock), clock, ledger) as monitor, monitor.phase(Phase.STUDENT_TRAINING, trial=0):
        clock.pass_time(10)
        monitor._write()  # what the heartbeat does; it must not raise
        with pytest.raises(StorageError, match=r"ledger.jsonl: is no ordinary file"), monitor.phase(Phase.TEST):
            pass
        ledger.rmdir()
        monitor.flush()
    assert rows(ledger)[Phase.STUDENT_TRAINING, 0, 0].duration_s == pytest.approx(10)


def test_an_error_of_the_training_is_not_hidden_by_one_of_the_ledger(clock: FakeClock, ledger: Path) -> None:
    ledger.mkdir()

    def train() -> None:
        with make(FakeMeter(clock), clock, ledger):
            clock.pass_time(1)
            raise ValueError("of the training")

    with pytest.raises(ValueError, match="of the training") as caught:
        train()
    assert "ledger.jsonl" in caught.value.__notes__[0]


def test_rows_of_the_idle_phase_give_the_baseline(clock: FakeClock, ledger: Path) -> None:
    with make(FakeMeter(clock), clock, ledger) as monitor:
        with monitor.phase(Phase.IDLE):
            clock.pass_time(10)
        monitor.flush()
        with monitor.phase(Phase.STUDENT_TRAINING, trial=0):
            clock.pass_time(10)
    assert rows(ledger)[Phase.IDLE, None, 0].idle_w is None
    assert rows(ledger)[Phase.STUDENT_TRAINING, 0, 0].idle_w == pytest.approx(36.0)


def test_without_a_meter_energy_is_unknown_and_time_is_recorded(clock: FakeClock, ledger: Path) -> None:
    with make(NoMeter(), clock, ledger) as monitor, monitor.phase(Phase.STUDENT_TRAINING, trial=0):
        clock.pass_time(10)
    row = rows(ledger)[Phase.STUDENT_TRAINING, 0, 0]
    assert row.energy_kwh is None
    assert row.status == "ok"
    assert row.cpu_time_kwh == pytest.approx(10 * 4 / 3.6e6)


def test_the_cpu_time_model_charges_cpu_seconds_only(clock: FakeClock, ledger: Path) -> None:
    with make(CpuTime(5.0, clock=clock), clock, ledger) as monitor, monitor.phase(Phase.STUDENT_TRAINING, trial=0):
        clock.pass_time(10, cpu_share=0.5)
    assert rows(ledger)[Phase.STUDENT_TRAINING, 0, 0].energy_kwh == pytest.approx(10 * 0.5 * 5 / 3.6e6)
