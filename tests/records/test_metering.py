"""Only like is added to like: what may be summed, and what a model says of time that another meter recorded."""

from typing import Any

import pytest

from greenkd.records import LedgerRow, Phase, Source, meter_of, sum_costs
from greenkd.records.metering import own_terms

# CodeCarbon without a sensor: 8 W for two threads, so 4 W per CPU second, and 10 W of memory by the clock.
CODECARBON: dict[str, Any] = {
    "meter": "codecarbon 3.3.2",
    "method": "load_model",
    "sensor": "CPU cpu_load, TDP 8 W, RAM constant, 0 GPU(s)",
}
CPU_TIME: dict[str, Any] = {
    "meter": "cpu_time 0.1.0",
    "method": "cpu_time_model",
    "sensor": "CPU seconds x 4 W per thread",
}
RAPL: dict[str, Any] = {"meter": "rapl 0.1.0", "method": "counter", "scope": "machine", "sensor": "RAPL, 1 package(s)"}
JOULES = 3.6e6


def row(
    maker: dict[str, Any],
    *,
    cpu_s: float = 2.0,
    seconds: float = 3.0,
    cpu_j: float | None = None,
    ram_j: float | None = None,
    images: int = 0,
    cpu_source: Source = Source.MODELLED,
    **more: Any,
) -> LedgerRow:
    joules = [value for value in (cpu_j, ram_j) if value is not None]
    energy_kwh = sum(joules) / JOULES if joules else None
    values: dict[str, Any] = {
        "campaign_id": "c",
        "phase": Phase.TEACHER_LOGITS,
        "trial": None,
        "attempt": 0,
        "started_at": "2026-01-01T00:00:00.000+00:00",
        "duration_s": seconds,
        "cpu_s": cpu_s,
        "energy_kwh": energy_kwh,
        "cpu_kwh": None if cpu_j is None else cpu_j / JOULES,
        "gpu_kwh": None,
        "ram_kwh": None if ram_j is None else ram_j / JOULES,
        "cpu_source": Source.ABSENT if cpu_j is None else cpu_source,
        "gpu_source": Source.ABSENT,
        "ram_source": Source.ABSENT if ram_j is None else Source.CONSTANT,
        "scope": "process",
        "apportioned": False,
        "pue": 1.0,
        "intensity_g_per_kwh": 100.0,
        "intensity_source": "planted",
        "co2eq_g": None if energy_kwh is None else energy_kwh * 100.0,
        "flops": images * 1e6,
        "forward_flops": images * 1e6,
        "images": images,
    }
    return LedgerRow(**(values | maker | more))


def codecarbon(cpu_s: float = 2.0, seconds: float = 3.0, **more: Any) -> LedgerRow:
    return row(CODECARBON, cpu_s=cpu_s, seconds=seconds, cpu_j=4 * cpu_s, ram_j=10 * seconds, **more)


def cpu_time(cpu_s: float = 2.0, seconds: float = 3.0, **more: Any) -> LedgerRow:
    return row(CPU_TIME, cpu_s=cpu_s, seconds=seconds, cpu_j=4 * cpu_s, **more)


def rapl(joules: float, **more: Any) -> LedgerRow:
    return row(RAPL, cpu_j=joules, cpu_source=Source.MEASURED, **more)


def test_energies_of_two_meters_have_no_sum_and_their_seconds_have() -> None:
    total = sum_costs([codecarbon(), cpu_time()])
    assert (total.energy_kwh, total.co2eq_g) == (None, None)
    assert (total.cpu_s, total.duration_s) == (4.0, 6.0)
    assert sum_costs([codecarbon(), codecarbon()]).energy_kwh == pytest.approx(2 * (8 + 30) / JOULES)


def test_a_model_is_another_with_another_wattage_and_a_sensor_the_same_in_another_version() -> None:
    twice = cpu_time(sensor="CPU seconds x 8 W per thread")
    assert meter_of(twice) != meter_of(cpu_time())
    assert sum_costs([twice, cpu_time()]).energy_kwh is None
    assert meter_of(rapl(1.0, meter="rapl 0.2.0", sensor="RAPL, 2 package(s)")) == meter_of(rapl(1.0))


def test_a_model_converts_what_another_meter_recorded() -> None:
    to_cpu_time = own_terms([cpu_time(cpu_s=7.0)])
    assert to_cpu_time is not None
    costs = to_cpu_time.of([codecarbon(cpu_s=2.0, seconds=3.0), cpu_time(cpu_s=1.0)])
    assert costs.energy_kwh == pytest.approx(4 * 3 / JOULES)  # not the 30 J of memory by the clock
    assert costs.co2eq_g == pytest.approx(100 * 4 * 3 / JOULES)

    to_codecarbon = own_terms([codecarbon(cpu_s=5.0, seconds=11.0), codecarbon(cpu_s=1.0, seconds=1.0)])
    assert to_codecarbon is not None
    assert to_codecarbon.of([cpu_time(cpu_s=2.0, seconds=3.0)]).energy_kwh == pytest.approx((4 * 2 + 10 * 3) / JOULES)


def test_a_meter_with_a_sensor_says_nothing_of_what_it_has_not_read() -> None:
    own = own_terms([rapl(50.0)])
    assert own is not None
    assert own.of([codecarbon()]).energy_kwh is None
    assert own.of([codecarbon()]).cpu_s == 2.0
    assert own.of([rapl(8.0), rapl(9.0)]).energy_kwh == pytest.approx(17 / JOULES)


def test_of_equal_work_some_that_was_read_speaks_for_all() -> None:
    own = own_terms([rapl(50.0)])
    assert own is not None
    costs = own.per_image([codecarbon(images=300), rapl(8.0, images=100)])
    assert costs.energy_kwh == pytest.approx((8 + 3 * 8) / JOULES)
    assert own.per_image([codecarbon(images=300)]).energy_kwh is None


def test_the_last_meter_counts_and_an_invalid_row_stays_unknown() -> None:
    invalid = row(CPU_TIME, status="invalid")
    own = own_terms([codecarbon(), cpu_time(), invalid])
    assert own is not None
    assert own.meter == meter_of(cpu_time())
    assert own.of([codecarbon(), invalid]).energy_kwh is None
