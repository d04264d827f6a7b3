import pytest

from greenkd.energy import cross_check
from greenkd.energy.meters.software import CpuTime
from tests.energy.fakes import FakeClock, FakeMeter


def test_all_meters_are_read_over_the_same_work(capsys: pytest.CaptureFixture[str]) -> None:
    clock = FakeClock()
    sensor, dead = FakeMeter(clock), FakeMeter(clock)
    sensor.name, sensor.scope = "rapl", "machine"
    sensor.ram_watts = 2.0
    dead.name, dead.expected, dead.gpu_joules = "nvml", frozenset({"gpu"}), 5.0
    meters = [sensor, dead, CpuTime(4.0, clock=clock)]
    results, _, _, machine = cross_check.compare(meters, lambda: clock.pass_time(10, cpu_share=0.5))
    assert [result.total for result in results] == [pytest.approx(380), None, pytest.approx(20)]
    text = cross_check.report(results, {"zeus": "not installed"}, 10.0, 5.0, machine, cross_check.torch.device("cpu"))
    print(text)
    lines = {line.split()[0]: line for line in text.splitlines() if line.strip()}
    assert "360.0 m" in lines["rapl"]
    assert "20.0 c" in lines["rapl"]
    assert "invalid" in lines["nvml"]
    assert "Not nvml: gpu should have been read, and stood still" in text
    assert "CPU energy: rapl" in text
    assert "not here: zeus: not installed" in text


def test_without_sensors_cpu_seconds_are_to_be_quoted() -> None:
    clock = FakeClock()
    results, *_ = cross_check.compare([CpuTime(4.0, clock=clock)], lambda: clock.pass_time(1))
    assert cross_check.advice(results)[0].startswith("CPU seconds and FLOPs first")


def test_the_command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(cross_check, "open_meters", lambda watts: ([CpuTime(watts)], {}))
    train = cross_check.train
    monkeypatch.setattr(cross_check, "train", lambda device, _seconds: train(device, 0.2))
    cross_check.main(["--watts-per-thread", "7"])
    assert "x 7 W per thread" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        cross_check.main(["--seconds", "3600"])


def test_meters_this_machine_lacks_are_named_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    for name in ("CodeCarbon", "CarbonTracker"):
        monkeypatch.setattr(cross_check, name, lambda: CpuTime(1.0))
    meters, absent = cross_check.open_meters(4.0)
    assert len(meters) >= 3
    assert "no NVIDIA GPU" in absent["nvml"]
