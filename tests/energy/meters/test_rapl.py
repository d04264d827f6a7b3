"""RAPL against counters that a test sets: wraps, new starts, garbled text, missing permission."""

from pathlib import Path

import pytest

from greenkd.energy import (
    Rapl,
)
from greenkd.energy.meters.rapl import rapl_is_readable
from greenkd.energy.window import difference
from greenkd.errors import ConfigError
from greenkd.records import Source
from tests.energy.fakes import FakeClock
from tests.energy.meters.powercap import Powercap


def test_rapl_adds_packages_and_keeps_dram_apart(powercap: Powercap) -> None:
    meter = Rapl(powercap.root)
    before = meter.snapshot()
    powercap.set("intel-rapl:0", 101)
    powercap.set("intel-rapl:1", 61)
    powercap.set("intel-rapl:0/intel-rapl:0:0", 91)
    powercap.set("intel-rapl:0/intel-rapl:0:1", 21)
    powercap.set("intel-rapl:2", 999)
    after = meter.snapshot()
    assert after.cpu.joules - before.cpu.joules == pytest.approx(160)  # type: ignore[operator]
    assert after.ram.joules - before.ram.joules == pytest.approx(20)  # type: ignore[operator]
    assert after.cpu.source is Source.MEASURED
    assert after.gpu.source is Source.ABSENT
    assert meter.expected == {"cpu", "ram"}


def test_rapl_counters_wrap_around(powercap: Powercap) -> None:
    powercap.set("intel-rapl:0", 262143.0)
    meter = Rapl(powercap.root)
    before = meter.snapshot()
    powercap.set("intel-rapl:0", 9.67115)
    after = meter.snapshot()
    assert after.cpu.joules - before.cpu.joules == pytest.approx(10.0)  # type: ignore[operator]


# A counter that starts again at 0, after sleep or when its driver is loaded anew, at what it counts then.
STARTED_AGAIN = {"range of Intel": 262143.328850, "range of AMD": 65532.610987}


@pytest.mark.parametrize("range_j", STARTED_AGAIN.values(), ids=STARTED_AGAIN)
@pytest.mark.parametrize("sustained_w", [None, 65, 0])
@pytest.mark.parametrize("seconds", [0.6, 15.0])
def test_a_counter_that_starts_again_is_no_wrap_around(
    powercap: Powercap, range_j: float, sustained_w: int | None, seconds: float
) -> None:
    powercap.describe("intel-rapl:0", range_j, sustained_w)
    powercap.set("intel-rapl:0", 110.0)
    clock = FakeClock()
    meter = Rapl(powercap.root, clock)
    before = meter.snapshot()
    clock.pass_time(seconds)
    powercap.set("intel-rapl:0", 1.0)
    powercap.set("intel-rapl:0/intel-rapl:0:1", 4.0)
    after = meter.snapshot()
    assert after.cpu.joules == before.cpu.joules
    assert "intel-rapl:0 (cpu): " in after.warnings[0]
    assert "started again" in after.warnings[0]

    energy = difference(meter, before, after, cpu_s=seconds)
    assert (energy.valid, energy.primary.kwh["cpu"]) == (False, None)
    assert energy.warnings[0] == after.warnings[0]

    # From then on it counts as before.
    clock.pass_time(seconds)
    powercap.set("intel-rapl:0", 37.0)
    powercap.set("intel-rapl:0/intel-rapl:0:1", 7.0)
    energy = difference(meter, after, meter.snapshot(), cpu_s=seconds)
    assert (energy.valid, energy.warnings) == (True, ())
    assert energy.primary.kwh["cpu"] == pytest.approx(36 / 3.6e6)


def test_a_leap_forward_that_no_package_can_draw_is_unknown(powercap: Powercap) -> None:
    powercap.describe("intel-rapl:0", 262143.3, 65)
    clock = FakeClock()
    meter = Rapl(powercap.root, clock)
    before = meter.snapshot()
    clock.pass_time(2)
    powercap.set("intel-rapl:0", 5001.0)
    assert not difference(meter, before, meter.snapshot(), cpu_s=2).valid


def test_a_range_that_cannot_be_right_makes_no_negative_energy(powercap: Powercap) -> None:
    powercap.write("intel-rapl:0", "0", "max_energy_range_uj")
    powercap.set("intel-rapl:0", 100)
    clock = FakeClock()
    meter = Rapl(powercap.root, clock)
    before = meter.snapshot()
    clock.pass_time(10)
    powercap.set("intel-rapl:0", 40)
    powercap.set("intel-rapl:1", 101)
    after = meter.snapshot()
    assert "ran backwards" in after.warnings[0]
    assert difference(meter, before, after, cpu_s=10).primary.kwh["cpu"] is None


def test_a_range_that_is_missing_is_named(powercap: Powercap) -> None:
    for number in range(2):
        (powercap.root / f"intel-rapl:{number}" / "max_energy_range_uj").unlink()
    with pytest.raises(ConfigError, match="max_energy_range_uj: No such file"):
        Rapl(powercap.root)


def test_all_a_package_can_draw_is_taken(powercap: Powercap) -> None:
    powercap.describe("intel-rapl:0", 262143.3, 125)
    powercap.set("intel-rapl:0", 262000.0)
    powercap.set("intel-rapl:0/intel-rapl:0:1", 2.0)
    clock = FakeClock()
    meter = Rapl(powercap.root, clock)
    before = meter.snapshot()
    clock.pass_time(10)
    powercap.set("intel-rapl:0", 3356.7)
    powercap.set("intel-rapl:0/intel-rapl:0:1", 22.0)
    energy = difference(meter, before, meter.snapshot(), cpu_s=10)
    assert energy.valid
    assert energy.primary.kwh["cpu"] == pytest.approx(3500 / 3.6e6)


@pytest.mark.parametrize("text", ["n/a", "", "-5", "1_000", "0x10", "\u0663", "12 13", "9" * 30 + "x", "9" * 5000])
def test_a_garbled_counter_is_absent_and_said(powercap: Powercap, text: str) -> None:
    clock = FakeClock()
    meter = Rapl(powercap.root, clock)
    before = meter.snapshot()
    clock.pass_time(2)
    powercap.write("intel-rapl:1", text)
    garbled = meter.snapshot()
    assert garbled.cpu.joules is None
    assert garbled.ram.joules is not None
    assert "intel-rapl:1 (cpu) cannot be read: it holds" in garbled.warnings[0]
    assert not difference(meter, before, garbled, cpu_s=2).valid

    # What it counted meanwhile is not lost.
    powercap.set("intel-rapl:1", 51)
    after = meter.snapshot()
    assert after.cpu.joules - before.cpu.joules == pytest.approx(50)  # type: ignore[operator]
    assert after.warnings == ()


@pytest.mark.parametrize("name", ["energy_uj", "max_energy_range_uj"])
def test_a_counter_that_is_garbled_from_the_start_is_not_there(powercap: Powercap, name: str) -> None:
    powercap.write("intel-rapl:1", "n/a", name)
    meter = Rapl(powercap.root)
    assert meter.sensor == "RAPL, 1 package(s) and DRAM"
    assert "intel-rapl:1 (package-1) cannot be read" in meter.snapshot().warnings[0]
    powercap.write("intel-rapl:0", "n/a", name)
    assert not rapl_is_readable(powercap.root)


def test_a_counter_that_vanishes_is_absent(powercap: Powercap) -> None:
    meter = Rapl(powercap.root)
    powercap.forbid("intel-rapl:0")
    reading = meter.snapshot()
    assert reading.cpu.joules is None
    assert "cannot be read" in reading.warnings[0]


def test_an_unreadable_counter_is_absent_and_said(powercap: Powercap) -> None:
    powercap.forbid("intel-rapl:0/intel-rapl:0:1")
    meter = Rapl(powercap.root)
    assert meter.snapshot().ram.joules is None
    assert meter.expected == {"cpu"}
    assert "dram" in meter.snapshot().warnings[0]


def test_rapl_without_permission_names_the_cure(powercap: Powercap) -> None:
    for name in ("intel-rapl:0", "intel-rapl:1", "intel-rapl:0/intel-rapl:0:1"):
        powercap.forbid(name)
    assert not rapl_is_readable(powercap.root)
    with pytest.raises(ConfigError, match="sudo chmod"):
        Rapl(powercap.root)


def test_no_rapl_at_all(tmp_path: Path) -> None:
    assert not rapl_is_readable(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match="energy=codecarbon"):
        Rapl(tmp_path)
