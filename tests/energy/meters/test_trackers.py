"""CodeCarbon and CarbonTracker, driven by our meters: no network, no files, no chatter, the right number of joules."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from greenkd.energy import CarbonTracker, open_monitor
from greenkd.records import LedgerRow, Phase, Source, read_rows
from tests.energy.fakes import FakeClock, burn

REPOSITORY = Path(__file__).parents[3]
FAKE_NVML = Path(__file__).parent / "fake_nvml"


MIG = "MIG-11111111-0000-0000-0000-000000000000"


def run(program: str, folder: Path, path: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    python_path = os.pathsep.join([str(FAKE_NVML), str(REPOSITORY)])
    search = os.pathsep.join(filter(None, [path, os.environ["PATH"]]))
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=folder,
        env={**os.environ, "PATH": search, "PYTHONPATH": python_path, "HOME": str(folder), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )


READ = """
import socket, sys
def refuse(*_arguments, **_keywords):
    print("NETWORK", file=sys.stderr)
    raise OSError("the network is cut off")
socket.getaddrinfo = socket.create_connection = socket.socket.connect = refuse

import json, os, time
from greenkd.energy import CarbonTracker, CodeCarbon

def joules(component, before):
    return None if component.joules is None else component.joules - before.joules

def read(meter, wait):
    outer = time.monotonic()
    first = meter.snapshot()
    inner = time.monotonic()
    wait()
    least = time.monotonic() - inner
    second = meter.snapshot()
    most = time.monotonic() - outer
    print(json.dumps({
        "cpu": joules(second.cpu, first.cpu), "gpu": joules(second.gpu, first.gpu), "least": least, "most": most,
        "expected": sorted(meter.expected), "warnings": second.warnings,
    }))
"""


@pytest.mark.parametrize("name", ["CodeCarbon", "CarbonTracker"])
def test_no_network_no_files_no_chatter(name: str, tmp_path: Path) -> None:
    done = run(READ + f"read({name}(), lambda: time.sleep(1.2))", tmp_path, FAKE_NVML_WATTS="")
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 1
    assert json.loads(done.stdout)["gpu"] is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["CodeCarbon", "CarbonTracker"])
def test_the_gpus_of_this_process_are_read_and_added(name: str, tmp_path: Path) -> None:
    # Numbers CarbonTracker resolves itself, and finding the processor takes it over a second each time.
    numbers = {"1": 300} if name == "CodeCarbon" else {}
    cases = {None: 400, **numbers, "GPU-10000000-aaaa-bbbb-cccc-000000000000": 300, MIG: 300, "": None}
    program = f"""
for visible in {list(cases)!r}:
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    if visible is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible
    read({name}(), lambda: time.sleep(0.5))
"""
    lines = run(READ + program, tmp_path, path=str(FAKE_NVML)).stdout.splitlines()
    for (visible, watts), line in zip(cases.items(), lines, strict=True):
        read = json.loads(line)
        if watts is None:
            assert read["gpu"] is None
            assert read["expected"] == ["cpu"]
        else:
            assert 0.95 * watts * read["least"] < read["gpu"] < 1.05 * watts * read["most"], visible
            assert read["expected"] == ["cpu", "gpu"]
        assert any("MIG slice" in warning for warning in read["warnings"]) == (visible == MIG)


BAD_GPUS = {
    "1 lost": (None, 100, True),
    "0 lost": (None, 300, True),
    "1 lost,0 uuid": ("0", 100, False),
    "1 uuid,1 name": (None, 400, False),
    "1 power,1 counter": (None, 100, True),
    "0 lost,1 lost": (None, None, True),
}


@pytest.mark.parametrize("name", ["CodeCarbon", "CarbonTracker"])
def test_a_bad_gpu_stops_no_meter(name: str, tmp_path: Path) -> None:
    cases = [(bad, visible) for bad, (visible, _, _) in BAD_GPUS.items()]
    program = f"""
for bad, visible in {cases!r}:
    os.environ.pop("CUDA_VISIBLE_DEVICES", None)
    os.environ["FAKE_NVML_BAD"] = bad
    if visible is not None:
        os.environ["CUDA_VISIBLE_DEVICES"] = visible
    read({name}(), lambda: time.sleep(0.5))
"""
    done = run(READ + program, tmp_path, path=str(FAKE_NVML))
    for (bad, (_, watts, said)), line in zip(BAD_GPUS.items(), done.stdout.splitlines(), strict=True):
        read = json.loads(line)
        assert read["cpu"] is not None
        assert any("cannot be read" in warning for warning in read["warnings"]) == said, bad
        if watts is None:
            assert (read["gpu"], read["expected"]) == (None, ["cpu"]), bad
        else:
            assert 0.95 * watts * read["least"] < read["gpu"] < 1.05 * watts * read["most"], bad
    assert done.stderr == ""


def test_a_gpu_codecarbon_does_not_find_is_absent_not_zero(tmp_path: Path) -> None:
    # CodeCarbon looks for the program nvidia-smi before it asks the driver.
    read = json.loads(run(READ + "read(CodeCarbon(), lambda: None)", tmp_path).stdout)
    assert read["gpu"] is None
    assert read["expected"] == ["cpu", "gpu"]


def test_a_stray_configuration_of_codecarbon_changes_nothing(tmp_path: Path) -> None:
    stray = tmp_path / ".codecarbon.config"
    stray.write_text("[codecarbon]\npue=3\nforce_cpu_power=9999\noutput_methods=csv\n")
    program = READ + "read(CodeCarbon(), lambda: sum(range(20_000_000)))"
    read = json.loads(run(program, tmp_path, FAKE_NVML_WATTS="", CODECARBON_FORCE_CPU_POWER="9999").stdout)
    assert 0 < read["cpu"] < 100
    assert list(tmp_path.iterdir()) == [stray]


BROKEN = {
    "no section": b"garbage\n",
    "a per cent sign": b"[codecarbon]\napi_key=ab%cd\n",
    "a name twice": b"[codecarbon]\npue=1\npue=2\n",
    "no text": b"\xff\xfe[\x00c\x00",
    "a value of the wrong kind": b"[codecarbon]\nmeasure_power_secs=often\nlog_level=loud\ngpu_ids=;\n",
}


def test_a_broken_configuration_of_codecarbon_changes_nothing_and_is_said_once(tmp_path: Path) -> None:
    program = (
        READ
        + f"""
import logging
logging.basicConfig(format="%(message)s")
for content in {list(BROKEN.values())!r}:
    for folder in ("home", "work"):
        os.environ["HOME"] = os.path.abspath("home")
        os.chdir(folder)
        with open(".codecarbon.config", "wb") as file:
            file.write(content)
        os.chdir("..")
    os.chdir("work")
    read(CodeCarbon(), lambda: sum(range(2_000_000)))
    os.chdir("..")

# A pipe is not waited for.
os.remove("work/.codecarbon.config")
os.mkfifo("work/.codecarbon.config")
os.chdir("work")
CodeCarbon()
"""
    )
    for name in ("home", "work"):
        (tmp_path / name).mkdir()
    done = run(program, tmp_path, FAKE_NVML_WATTS="")
    assert len(done.stdout.splitlines()) == len(BROKEN)
    assert all(json.loads(line)["cpu"] is not None for line in done.stdout.splitlines())
    warnings = [line for line in done.stderr.splitlines() if ".codecarbon.config: is broken" in line]
    assert len(warnings) == len(done.stderr.splitlines()) == 2, done.stderr


def test_codecarbon_counts_on_a_clock_that_nobody_sets(tmp_path: Path) -> None:
    program = (
        READ
        + """
real, jump = time.time, [0.0]
time.time = lambda: real() + jump[0]
meter = CodeCarbon(cpu_tdp_w=100.0 * os.cpu_count())
for hours in (0, 8, -1):
    def wait():
        jump[0] = hours * 3600.0
        start = time.process_time()
        while time.process_time() - start < 0.5:
            pass
    read(meter, wait)
"""
    )
    for line in run(program, tmp_path, FAKE_NVML_WATTS="").stdout.splitlines():
        assert 45 < json.loads(line)["cpu"] < 80


def test_carbontracker_gives_what_its_own_tracker_gives_without_the_pue() -> None:
    from carbontracker import constants
    from carbontracker.components.component import create_components
    from carbontracker.loggerutil import Logger
    from carbontracker.tracker import CarbonTrackerThread

    logger = Logger()
    theirs = CarbonTrackerThread(
        components=create_components("cpu", [os.getpid()], False, logger),
        logger=logger,
        ignore_errors=True,
        delete=lambda: None,
        update_interval=0.1,
    )
    clock = FakeClock()
    ours = CarbonTracker(clock=clock)
    before = ours.snapshot()
    theirs.epoch_start()
    time.sleep(0.3)
    theirs.epoch_end()
    clock.pass_time(theirs.epoch_times[-1])
    after = ours.snapshot()
    expected = theirs.total_energy_per_epoch()[-1] * 3.6e6 / constants.PUE_2023
    theirs.stop()
    assert after.cpu.joules - before.cpu.joules == pytest.approx(expected)  # type: ignore[operator]
    assert after.cpu.source is Source.CONSTANT
    assert ours.method == "tdp_constant"


def test_both_side_by_side_in_one_row(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    config = {"_target_": "greenkd.energy.both", "primary": "codecarbon"}
    with (
        open_monitor(config, campaign_id="c", ledger=ledger) as monitor,
        monitor.phase(Phase.STUDENT_TRAINING, trial=0),
    ):
        burn(0.3)
    row = next(row for row in read_rows(ledger, LedgerRow).rows if row.trial == 0)
    assert row.meter.startswith("codecarbon 3.")
    (beside,) = row.secondary
    assert beside.meter.startswith("carbontracker 2.")
    assert beside.method == "tdp_constant"
    assert beside.cpu_kwh is not None
    assert beside.cpu_kwh > 0
    assert beside.gpu_kwh is None
    assert row.energy_kwh == pytest.approx(row.cpu_kwh + row.ram_kwh)  # type: ignore[operator]
