"""A budget of energy holds in terms of one meter, whichever meters a campaign was begun and goes on with."""

import dataclasses
import math
from pathlib import Path

import pytest

from greenkd.campaign.budget import Budget, BudgetOptions
from greenkd.energy import EnergyMonitor
from greenkd.errors import ConfigError
from greenkd.records import UNMETERED, CampaignStatus, LedgerRow, Phase, Source, append_row, read_rows
from tests.campaigns import Campaign
from tests.energy.fakes import FakeClock, FakeMeter
from tests.energy.test_monitor import TERMS

GRID = ("temperature=grid", "temperature.taus=[2,4,8]")


def spent_kwh(campaign: Campaign) -> float:
    rows = read_rows(campaign.folder / "ledger.jsonl", LedgerRow).rows
    return math.fsum(row.energy_kwh or 0.0 for row in rows)


def test_what_another_model_said_is_converted(tmp_path: Path) -> None:
    begun = Campaign(tmp_path, *GRID, "energy=cpu_time", "energy.watts_per_thread=1000", "budget.gflops=0.1")
    assert begun.record.status is CampaignStatus.PARTIAL
    before_kwh = spent_kwh(begun)

    # At 1 W the same seconds are a thousandth of it, and what is left is no hundred times as long.
    gone_on = Campaign(tmp_path, *GRID, "energy=cpu_time", "energy.watts_per_thread=1", f"budget.kwh={before_kwh / 2}")
    assert gone_on.folder == begun.folder
    assert gone_on.record.status is CampaignStatus.DONE


@pytest.fixture
def measured(tmp_path: Path) -> list[LedgerRow]:
    """A row of a meter that reads a sensor, in a campaign's ledger."""
    clock = FakeClock()
    monitor = EnergyMonitor(FakeMeter(clock), ledger=tmp_path / "ledger.jsonl", terms=TERMS, clock=clock)
    with monitor, monitor.phase(Phase.STUDENT_TRAINING, trial=0):
        clock.pass_time(100)
    return read_rows(tmp_path / "ledger.jsonl", LedgerRow).rows


def look(folder: Path) -> bool:
    """Looks at a budget of 3 Wh under a meter of 36 W that reads a sensor, after 100 s of its own."""
    clock = FakeClock()
    with EnergyMonitor(FakeMeter(clock), ledger=folder / "ledger.jsonl", terms=TERMS, clock=clock) as monitor:
        budget = Budget(BudgetOptions(kwh=0.003), folder, folder / "cache", monitor, clock=clock.seconds)
        clock.pass_time(100)
        return budget.is_spent()


@pytest.mark.usefixtures("measured")
def test_readings_of_the_same_sensor_add_up(tmp_path: Path) -> None:
    assert not look(tmp_path)
    assert look(tmp_path)  # three times 1 Wh


def test_a_start_up_at_the_power_of_the_same_sensor_is_of_that_meter(tmp_path: Path, measured: list[LedgerRow]) -> None:
    start_up = dataclasses.replace(
        measured[-1], phase=Phase.START_UP, cpu_source=Source.MODELLED, warnings=(UNMETERED,)
    )
    append_row(tmp_path / "ledger.jsonl", start_up)
    assert look(tmp_path)


def test_readings_of_another_meter_are_refused_where_a_sensor_is_read(
    tmp_path: Path, measured: list[LedgerRow]
) -> None:
    append_row(tmp_path / "ledger.jsonl", dataclasses.replace(measured[-1], meter="other 1", pid=1))
    with pytest.raises(ConfigError, match=r"holds energy of other .* none of fake .* budget\.gflops"):
        look(tmp_path)
