"""NVML against a simulated driver: counters, power, bad GPUs, slices."""

import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from greenkd.energy import (
    Nvml,
    Reading,
    auto,
)
from greenkd.energy.meters.nvidia_devices import look_for_gpus, visible_gpus
from greenkd.errors import ConfigError

MIG = "MIG-11111111-0000-0000-0000-000000000000"


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
