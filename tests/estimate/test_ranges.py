"""What an interval of kWh is made of: parts that follow CPU seconds or the clock, and other metered processes."""

import os

import pytest

from greenkd.estimate.power import Power, mean_power
from greenkd.estimate.stopwatch import Work
from greenkd.estimate.wall_time import wall_range
from greenkd.records import LedgerRow, Phase, Source


def row(cpu_source: Source, sharers: float | None = None) -> LedgerRow:
    """Two seconds of work, one of them on the processor."""
    return LedgerRow(
        campaign_id="0",
        phase=Phase.CALIBRATION,
        trial=None,
        attempt=0,
        started_at="2026-01-01T00:00:00+00:00",
        duration_s=2.0,
        cpu_s=1.0,
        energy_kwh=10.0,
        cpu_kwh=4.0,
        gpu_kwh=None,
        ram_kwh=6.0,
        cpu_source=cpu_source,
        gpu_source=Source.ABSENT,
        ram_source=Source.CONSTANT,
        meter="made up",
        method="made up",
        scope="process",
        apportioned=False,
        pue=1.0,
        intensity_g_per_kwh=None,
        intensity_source="",
        co2eq_g=None,
        flops=None,
        forward_flops=None,
        images=1,
        sharers=sharers,
    )


def test_each_part_of_a_meters_figure_follows_its_own_seconds() -> None:
    modelled, constant = mean_power([row(Source.MODELLED)]), mean_power([row(Source.CONSTANT)])
    assert (modelled.per_cpu_s_kwh, modelled.per_s_kwh) == (4.0, 3.0)
    assert (constant.per_cpu_s_kwh, constant.per_s_kwh) == (None, 5.0)

    # The same work in three times the time: a constant costs three times as much, a model of the work does not.
    assert modelled.energy_kwh(Work(1.0, 6.0)) == 4 + 18
    assert constant.energy_kwh(Work(1.0, 6.0)) == 30


def test_a_processors_counter_may_follow_either() -> None:
    measured = mean_power([row(Source.MEASURED)])
    assert (measured.per_cpu_s_kwh, measured.measured_per_s_kwh) == (4.0, 2.0)
    assert measured.range_kwh(Work(0.5, 2.0), Work(2.0, 10.0)) == (2 + 6, 20 + 30)


def test_other_metered_processes_may_go_or_come() -> None:
    alone, shared = mean_power([row(Source.MODELLED, 1)]), mean_power([row(Source.MODELLED, 2)])
    work = Work(1.0, 2.0)
    assert alone.range_kwh(work, work) == (10, 10)

    # Twice the constant if the other goes, two thirds if a third comes.
    assert shared.range_kwh(work, work) == (pytest.approx(4 + 4), pytest.approx(4 + 12))
    assert mean_power([row(Source.MODELLED, 1), row(Source.MODELLED, 3)]).sharers == pytest.approx(1.5)


def test_what_no_meter_reads_has_no_range() -> None:
    assert Power(None, None).range_kwh(Work(1.0, 1.0), Work(2.0, 2.0)) is None


def test_time_reaches_from_an_idle_machine_to_the_busiest_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "cpu_count", lambda: 2)
    samples = [Work(1.0, 1.5), Work(1.0, 2.5)]  # two seconds for one on the processor, on average

    monkeypatch.setattr(os, "getloadavg", lambda: (0.0, 0.0, 0.0))
    assert wall_range(samples, threads=1) == pytest.approx((1 / 2, 2.5 / 2))
    assert wall_range(samples, threads=2) == pytest.approx((0.5 / 2, 2.5 / 2))

    monkeypatch.setattr(os, "getloadavg", lambda: (3.0, 4.0, 9.0))  # a quarter of an hour ago five others for each
    assert wall_range(samples, threads=1) == pytest.approx((1 / 2, 5 / 2))
    assert wall_range([Work(0.0, 1.0)], threads=1).low == 1.0
