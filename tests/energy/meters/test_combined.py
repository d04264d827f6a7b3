"""Meters side by side, joined, replayed, and Zeus."""

import sys
import types
from pathlib import Path

import pytest

from greenkd.energy import (
    Component,
    CpuTime,
    Joined,
    Rapl,
    Replay,
    SideBySide,
    Zeus,
    record_reading,
)
from greenkd.energy.window import difference
from greenkd.errors import ConfigError
from greenkd.records import Source
from tests.energy.fakes import FakeClock, FakeMeter
from tests.energy.meters.powercap import Powercap


def test_joined_meters_take_each_part_from_its_own() -> None:
    clock = FakeClock()
    gpu = FakeMeter(clock)
    gpu.gpu_joules, gpu.expected = 5.0, frozenset({"gpu"})
    gpu.method = "sampled_power"
    meter = Joined(CpuTime(4.0, clock=clock), gpu)
    reading = meter.snapshot()
    assert reading.cpu == Component(20.0, Source.MODELLED)
    assert reading.gpu == Component(5.0, Source.MEASURED)
    assert (meter.name, meter.method, meter.expected) == (
        "fake+cpu_time",
        "sampled_power+cpu_time_model",
        {"cpu", "gpu"},
    )


def test_a_joined_meter_says_which_part_has_started_again(powercap: Powercap) -> None:
    clock = FakeClock()
    gpu = FakeMeter(clock)
    gpu.gpu_joules = 5.0
    meter = Joined(Rapl(powercap.root, clock), gpu)
    before = meter.snapshot()
    clock.pass_time(1)
    powercap.set("intel-rapl:0", 0.5)
    powercap.set("intel-rapl:0/intel-rapl:0:1", 2.0)
    gpu.gpu_joules = 6.0
    energy = difference(meter, before, meter.snapshot(), cpu_s=1)
    assert not energy.valid
    assert energy.primary.kwh["cpu"] is None
    assert energy.primary.kwh["gpu"] == pytest.approx(1 / 3.6e6)


def test_side_by_side_the_primary_counts_and_a_failing_other_costs_a_warning() -> None:
    clock = FakeClock()
    primary, other = FakeMeter(clock), FakeMeter(clock)
    other.name, other.watts = "other", 72.0
    meter = SideBySide(primary, other)
    before = meter.snapshot()
    clock.pass_time(100)
    energy = difference(meter, before, meter.snapshot(), cpu_s=100)
    assert energy.primary.kwh["cpu"] == pytest.approx(1e-3)
    assert energy.secondary["other 1.0", "counter"].kwh["cpu"] == pytest.approx(2e-3)  # type: ignore[index]
    other.error = ValueError("gone")
    after = meter.snapshot()
    assert after.cpu.joules is not None
    assert after.warnings == ("other: ValueError: gone",)


def test_a_recording_is_played_back(tmp_path: Path) -> None:
    clock = FakeClock()
    recorded = FakeMeter(clock)
    path = tmp_path / "readings.jsonl"
    for seconds in (0.0, 10.0, 20.0):
        record_reading(recorded, path, seconds)
        clock.pass_time(10)
        recorded.watts *= 1.5
    meter = Replay(path, clock=clock)
    before = meter.snapshot()
    clock.pass_time(15)
    after = meter.snapshot()
    # 36 W x 100 s, 54 W x 110 s and 81 W x 120 s were recorded: half way between the last two.
    assert after.cpu.joules - before.cpu.joules == pytest.approx((54 * 110 + 81 * 120) / 2 - 3600)  # type: ignore[operator]
    assert after.cpu.source is Source.SIMULATED
    clock.pass_time(10)
    with pytest.raises(RuntimeError, match=r"ends after 20\.0 s"):
        meter.snapshot()


@pytest.mark.parametrize("content", ["", "{}\n{}\n", "no json", '{"seconds": 0, "cpu": 1, "gpu": null, "ram": null}\n'])
def test_what_is_no_recording_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "readings.jsonl"
    path.write_text(content)
    with pytest.raises(ConfigError, match="recording="):
        Replay(path)


def test_zeus_is_optional(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "zeus", None)
    with pytest.raises(ConfigError, match=r"pip install .greenkd\[zeus\]"):
        Zeus()


def test_zeus_windows_are_added_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()

    class ZeusMonitor:
        def __init__(self) -> None:
            self.began: dict[str, float] = {}

        def begin_window(self, key: str, sync_execution: bool) -> None:
            assert not sync_execution
            assert key not in self.began
            self.began[key] = clock.now

        def end_window(self, key: str, sync_execution: bool) -> types.SimpleNamespace:
            assert not sync_execution
            seconds = clock.now - self.began.pop(key)
            return types.SimpleNamespace(
                gpu_energy={0: 100 * seconds, 1: 300 * seconds}, cpu_energy={0: 50 * seconds}, dram_energy=None
            )

    package, module = types.ModuleType("zeus"), types.ModuleType("zeus.monitor")
    package.__version__ = "9.9"  # type: ignore[attr-defined]
    module.ZeusMonitor = ZeusMonitor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "zeus", package)
    monkeypatch.setitem(sys.modules, "zeus.monitor", module)
    monkeypatch.setattr("greenkd.energy.meters.zeus.processor_limit_w", lambda: 60.0)
    meter = Zeus(clock)
    clock.pass_time(2)
    meter.snapshot()
    clock.pass_time(3)
    reading = meter.snapshot()
    assert reading.gpu.joules == pytest.approx(2000)
    assert reading.cpu.joules == pytest.approx(250)
    assert reading.ram.joules is None
    assert meter.expected == {"cpu", "gpu"}
    assert (reading.breaks, reading.warnings) == (frozenset(), ())

    # A counter that started again, which Zeus takes for a wrap-around
    monkeypatch.setattr(meter, "_limit_w", 40.0)
    clock.pass_time(3)
    reading = meter.snapshot()
    assert reading.breaks == {"cpu"}
    assert "150 J in 3.0 s is more than the processors can draw (40 W)" in reading.warnings[0]
