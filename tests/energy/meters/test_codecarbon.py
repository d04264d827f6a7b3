"""CodeCarbon as a meter: what it counts, what it says, what it swallows."""

import itertools
import os
import time
from pathlib import Path

import pytest

from greenkd.energy import CodeCarbon, Meter
from greenkd.energy.machine import processor_name
from greenkd.records import Source
from tests.energy.fakes import burn
from tests.energy.meters.test_trackers import run


@pytest.fixture(scope="module")
def codecarbon() -> Meter:
    return CodeCarbon(cpu_tdp_w=100.0 * (os.cpu_count() or 1), ram_w=7.0)


def test_codecarbon_charges_own_cpu_seconds(codecarbon: Meter) -> None:
    # Bounds from clocks read inside and outside the two snapshots, so that a busy machine changes nothing.
    outer_cpu, outer = time.process_time(), time.monotonic()
    first = codecarbon.snapshot()
    inner_cpu, inner = time.process_time(), time.monotonic()
    burn(1.1)  # longer than CodeCarbon's own period of sampling, beside which a reading used to come out wrong
    least_cpu, least = time.process_time() - inner_cpu, time.monotonic() - inner
    second = codecarbon.snapshot()
    most_cpu, most = time.process_time() - outer_cpu, time.monotonic() - outer
    cpu = second.cpu.joules - first.cpu.joules  # type: ignore[operator]
    ram = second.ram.joules - first.ram.joules  # type: ignore[operator]
    assert 100 * (least_cpu - 0.03) < cpu < 100 * (most_cpu + 0.03)
    assert 7 * least * 0.95 < ram < 7 * most * 1.05
    assert (second.cpu.source, second.ram.source) == (Source.MODELLED, Source.CONSTANT)
    assert second.gpu.source is Source.ABSENT
    assert codecarbon.method == "load_model"


def test_a_leap_of_codecarbons_counters_is_said(codecarbon: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    codecarbon.snapshot()
    monkeypatch.setattr(codecarbon, "_limit_w", 1.0)
    burn(0.5)  # 50 J
    reading = codecarbon.snapshot()
    assert reading.breaks == {"cpu"}
    assert "is more than the processors can draw (1 W)" in reading.warnings[-1]


def test_codecarbon_readings_in_quick_succession_lose_nothing(codecarbon: Meter) -> None:
    readings = [codecarbon.snapshot()]
    for _ in range(4):
        burn(0.03)
        readings.append(codecarbon.snapshot())
    steps = [after.ram.joules - before.ram.joules for before, after in itertools.pairwise(readings)]  # type: ignore[operator]
    assert min(steps) > 0


def test_an_error_codecarbon_swallows_is_raised(codecarbon: Meter, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise ValueError("inside")

    monkeypatch.setattr(codecarbon._tracker, "_do_measurements", fail)  # type: ignore[attr-defined]
    with pytest.raises(RuntimeError, match="handed no data over"):
        codecarbon.snapshot()


PROCESSOR = """
from codecarbon.core import cpu
its_own = cpu.detect_cpu_model
asked = []
def find():
    asked.append(its_own())
    return asked[-1]
cpu.detect_cpu_model = find
from greenkd.energy import CodeCarbon
CodeCarbon()
print(len(asked), cpu.TDP().model, asked)
"""


@pytest.mark.skipif(processor_name() is None, reason="the name in /proc/cpuinfo is Linux's, on x86")
def test_codecarbon_is_told_the_processor_that_it_would_find(tmp_path: Path) -> None:
    name = processor_name()
    assert run(PROCESSOR, tmp_path).stdout.strip() == f"0 {name} [{name!r}]"
