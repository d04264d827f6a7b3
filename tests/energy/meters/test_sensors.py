"""RAPL, NVML, zeus and joined meters against made-up sensors."""

import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenkd.energy import (
    Component,
    CpuTime,
    Joined,
    Nvml,
    Rapl,
    Reading,
    Replay,
    SideBySide,
    Zeus,
    auto,
    record_reading,
)
from greenkd.energy.meters.nvidia_devices import look_for_gpus, visible_gpus
from greenkd.energy.meters.rapl import rapl_is_readable
from greenkd.energy.window import difference
from greenkd.errors import ConfigError
from greenkd.records import Source
from tests.energy.fakes import FakeClock, FakeMeter

MIG = "MIG-11111111-0000-0000-0000-000000000000"


class Powercap:
    """Two packages, one with DRAM and a core domain, and a psys domain that would count everything twice."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, kind in {
            "intel-rapl:0": "package-0",
            "intel-rapl:0/intel-rapl:0:0": "core",
            "intel-rapl:0/intel-rapl:0:1": "dram",
            "intel-rapl:1": "package-1",
            "intel-rapl:2": "psys",
        }.items():
            folder = root / name
            folder.mkdir(parents=True)
            (folder / "name").write_text(kind + "\n")
            (folder / "max_energy_range_uj").write_text("262143328850\n")
            (folder / "energy_uj").write_text("1000000\n")
        # The kernel lists subdomains a second time, at the top.
        (root / "intel-rapl:0:1").symlink_to(root / "intel-rapl:0" / "intel-rapl:0:1")

    def set(self, name: str, joules: float) -> None:
        (self.root / name / "energy_uj").write_text(f"{int(joules * 1e6)}\n")

    def write(self, name: str, text: str, file: str = "energy_uj") -> None:
        (self.root / name / file).write_text(text + "\n", encoding="utf-8")

    def describe(self, name: str, range_j: float, sustained_w: int | None) -> None:
        """Says how far a package's counter goes, and what the package draws for long."""
        self.write(name, str(int(range_j * 1e6)), "max_energy_range_uj")
        if sustained_w is not None:
            self.write(name, str(sustained_w * 1_000_000), "constraint_0_max_power_uw")

    def forbid(self, name: str) -> None:
        path = self.root / name / "energy_uj"
        path.unlink()
        path.mkdir()  # unreadable for root too, who runs tests in containers


@pytest.fixture
def powercap(tmp_path: Path) -> Powercap:
    return Powercap(tmp_path)


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


@pytest.mark.parametrize("text", ["n/a", "", "-5", "1_000", "0x10", "\u0663", "12 13", "9" * 30 + "x"])
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


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    folder = str(Path(__file__).parent / "fake_nvml")
    real = sys.modules.pop("pynvml", None)
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    import pynvml

    assert pynvml.__file__.startswith(folder)
    yield pynvml
    del sys.modules["pynvml"]
    if real is not None:
        sys.modules["pynvml"] = real


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (None, [0, 1]),
        ("1", [1]),
        ("1,0", [1, 0]),
        ("0,0", [0]),
        ("", []),
        ("-1", []),
        ("0,-1,1", [0]),
        ("0,7", [0]),
        ("GPU-10000000-aaaa-bbbb-cccc-000000000000", [1]),
        ("GPU-1", [1]),
        ("GPU-", []),
        (MIG, [1]),
        ("MIG-GPU-00000000-aaaa-bbbb-cccc-000000000000/3/0", [0]),
        ("MIG-unknown", []),
    ],
)
def test_visible_gpus(nvml: types.ModuleType, listed: str | None, expected: list[int]) -> None:
    found = visible_gpus(nvml, {} if listed is None else {"CUDA_VISIBLE_DEVICES": listed})
    assert [gpu.index for gpu in found] == expected
    assert all(gpu.shared == (listed or "").startswith("MIG") for gpu in found)


@pytest.mark.parametrize(
    ("bad", "listed", "expected", "said"),
    [
        ("1 lost", None, [0], ["GPU number 1 cannot be read (GPU is lost)"]),
        ("0 lost", None, [1], ["GPU number 0 cannot be read (GPU is lost)"]),
        ("1 lost", "0", [0], []),
        ("0 lost", "1", [1], []),
        ("1 lost", "1,0", [0], ["GPU number 1 cannot be read"]),
        ("1 lost", "GPU-0", [0], []),
        ("1 uuid", None, [0, 1], []),
        ("1 uuid", "0", [0], []),
        ("1 power", None, [0, 1], []),
        ("1 counter", None, [0, 1], []),
        ("1 power,1 counter", None, [0], ["GPU-10000000-aaaa-bbbb-cccc-000000000000 cannot be read (Not Supported)"]),
        ("0 lost,1 power,1 counter", None, [], ["GPU number 0", "GPU-1"]),
    ],
)
def test_a_bad_gpu_is_left_out_and_named_where_this_process_may_use_it(
    nvml: types.ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    bad: str,
    listed: str | None,
    expected: list[int],
    said: list[str],
) -> None:
    monkeypatch.setenv("FAKE_NVML_BAD", bad)
    found = look_for_gpus(nvml, {} if listed is None else {"CUDA_VISIBLE_DEVICES": listed})
    assert [gpu.index for gpu in found.gpus] == expected
    assert len(found.warnings) == len(said)
    assert all(text in warning for text, warning in zip(said, found.warnings, strict=True))


def joules_over(meter: Nvml, seconds: float) -> tuple[float, float, float, Reading]:
    """Returns the GPU's joules and bounds of the seconds they took."""
    outer = time.monotonic()
    before = meter.snapshot()
    inner = time.monotonic()
    time.sleep(seconds)
    least = time.monotonic() - inner
    after = meter.snapshot()
    assert before.gpu.joules is not None
    assert after.gpu.joules is not None
    return after.gpu.joules - before.gpu.joules, least, time.monotonic() - outer, after


@pytest.mark.usefixtures("nvml")
class TestNvml:
    def test_counters_of_all_gpus_are_added_and_power_stands_beside(self) -> None:
        meter = Nvml(interval_s=0.05)
        joules, least, most, reading = joules_over(meter, 0.3)
        assert 400 * least * 0.98 <= joules <= 400 * most * 1.02
        ((beside, polled),) = reading.secondary.items()
        assert beside == ("nvml power", "sampled_power")
        assert polled.gpu.joules is not None
        assert polled.gpu.joules > 100
        assert (meter.method, reading.gpu_temperature_c, reading.cpu.joules) == ("counter", 41.0, None)

    def test_without_a_counter_polled_power_is_the_reading_and_the_method_says_so(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("FAKE_NVML_COUNTER", "missing")
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "1")
        meter = Nvml(interval_s=0.05)
        joules, least, most, reading = joules_over(meter, 0.3)
        assert 300 * least * 0.98 <= joules <= 300 * most * 1.02
        assert meter.method == "sampled_power"
        assert not reading.secondary

    def test_a_coarse_counter_is_not_read_over_less_than_its_period(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_NVML_COUNTER", "coarse")
        meter = Nvml()
        assert meter.resolution_s >= 0.1
        joules, least, most, _ = joules_over(meter, 0.35)
        assert 400 * (least - 0.1) * 0.98 <= joules <= 400 * (most + 0.1) * 1.02

    @pytest.mark.parametrize(
        ("bad", "watts", "method", "warnings", "secondary"),
        [
            ("1 lost", 100, "counter", 1, True),
            ("0 lost", 300, "counter", 1, True),
            ("1 uuid,1 name", 400, "counter", 0, True),
            ("1 power", 400, "counter", 0, False),
            ("1 counter", 400, "counter+sampled_power", 0, False),
            ("0 counter,1 counter", 400, "sampled_power", 0, False),
            ("1 power,1 counter", 100, "counter", 1, True),
        ],
    )
    def test_what_can_be_read_is_read_and_what_cannot_is_said(
        self, monkeypatch: pytest.MonkeyPatch, bad: str, watts: int, method: str, warnings: int, secondary: bool
    ) -> None:
        monkeypatch.setenv("FAKE_NVML_BAD", bad)
        meter = Nvml(interval_s=0.05)
        joules, least, most, reading = joules_over(meter, 0.3)
        assert watts * least * 0.98 <= joules <= watts * most * 1.02
        assert (meter.method, len(reading.warnings), bool(reading.secondary)) == (method, warnings, secondary)
        assert auto(watts_per_thread=4.0).expected >= {"cpu", "gpu"}

    def test_power_that_fails_later_costs_the_second_estimate_only(self, monkeypatch: pytest.MonkeyPatch) -> None:
        meter = Nvml(interval_s=0.02)
        monkeypatch.setenv("FAKE_NVML_BAD", "1 power,0 temperature")
        time.sleep(0.2)
        reading = meter.snapshot()
        assert reading.gpu.joules is not None
        assert (reading.secondary, reading.warnings) == ({}, ("nvml power: Not Supported",))
        assert reading.gpu_temperature_c == 41.0

    def test_no_gpu_that_can_be_read_is_said(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_NVML_BAD", "0 lost,1 lost")
        with pytest.raises(ConfigError, match=r"GPU number 0 cannot be read \(GPU is lost\).*energy=codecarbon"):
            Nvml()
        meter = auto(watts_per_thread=4.0)
        assert meter.name in {"codecarbon", "rapl"}
        assert "GPU number 1 cannot be read (GPU is lost)" in meter.sensor

    def test_a_mig_slice_is_flagged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", MIG)
        assert "MIG slice" in Nvml().snapshot().warnings[0]

    @pytest.mark.parametrize("name", ["CUDA_VISIBLE_DEVICES", "FAKE_NVML_WATTS"])
    def test_no_gpu_is_an_error_that_names_the_cure(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv(name, "")
        with pytest.raises(ConfigError, match="energy=codecarbon"):
            Nvml()

    def test_auto_takes_the_gpu_counter_and_says_why(self) -> None:
        meter = auto(watts_per_thread=4.0)
        assert meter.name in {"nvml+cpu_time", "nvml+rapl"}
        assert "auto: GPU counters found" in meter.sensor
        assert meter.expected >= {"cpu", "gpu"}


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
