import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from greenkd.energy import EnergyOptions, open_monitor, read_config
from greenkd.errors import ConfigError, StorageError
from greenkd.records import LedgerRow, Phase, read_rows
from tests.campaigns import composed

CONF = Path(__file__).parents[2] / "conf" / "energy"
SIMULATED = {"_target_": "greenkd.energy.Simulated", "cpu_watts": 20.0}


def test_a_monitor_from_a_configuration(tmp_path: Path) -> None:
    ledger = tmp_path / "new" / "ledger.jsonl"
    config = {**SIMULATED, "country": "FRA", "pue": 1.2}
    with (
        open_monitor(config, campaign_id="c7", ledger=ledger) as monitor,
        monitor.phase(Phase.STUDENT_TRAINING, trial=0),
    ):
        time.sleep(0.1)
    row = next(row for row in read_rows(ledger, LedgerRow).rows if row.trial == 0)
    assert row.campaign_id == "c7"
    assert row.energy_kwh == pytest.approx(row.duration_s * 20 / 3.6e6, rel=0.5)
    assert row.co2eq_g == pytest.approx(row.energy_kwh * 1.2 * row.intensity_g_per_kwh)
    assert row.intensity_region == "FRA"
    assert row.cpu_source == "simulated"


def test_the_meter_is_opened_once_per_process(tmp_path: Path) -> None:
    first = open_monitor(SIMULATED, campaign_id="a", ledger=tmp_path / "a.jsonl")
    second = open_monitor({**SIMULATED, "pue": 2.0}, campaign_id="b", ledger=tmp_path / "b.jsonl")
    assert first.meter is second.meter


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"cpu_wats": 3}, "did you mean energy.cpu_watts"),
        ({"contry": "FRA"}, "did you mean energy.country"),
        ({"pue": 0.9}, r"energy.pue=0.9"),
        ({"heartbeat_s": 0}, "energy.heartbeat_s=0"),
        ({"cpu_watts": -1.0}, "cpu_watts"),
        ({"country": "FRB"}, "near: .*FRA"),
        ({"country": "frnace"}, "near: FRA"),
        ({"_target_": "greenkd.energy.Nothing"}, "no 'Nothing'"),
    ],
)
def test_mistakes_are_answered_with_a_cure(tmp_path: Path, change: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        open_monitor({**SIMULATED, **change}, campaign_id="c", ledger=tmp_path / "ledger.jsonl")


def test_a_ledger_that_cannot_be_written_is_refused_before_training(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match=r"ledger\.jsonl"):
        open_monitor(SIMULATED, campaign_id="c", ledger=tmp_path / "file" / "ledger.jsonl")


# What every option composes to, beside its name and the common settings.
OPTIONS: dict[str, dict[str, object]] = {
    "auto": {"_target_": "greenkd.energy.auto"},
    "both": {
        "_target_": "greenkd.energy.both",
        "primary": "codecarbon",
        "cpu_tdp_w": None,
        "ram_w": None,
        "interval_s": 1.0,
    },
    "carbontracker": {"_target_": "greenkd.energy.CarbonTracker", "interval_s": 1.0},
    "codecarbon": {"_target_": "greenkd.energy.CodeCarbon", "cpu_tdp_w": None, "ram_w": None},
    "cpu_time": {"_target_": "greenkd.energy.CpuTime"},
    "none": {"_target_": "greenkd.energy.NoMeter"},
    "nvml": {"_target_": "greenkd.energy.open_nvml_and_cpu", "interval_s": 1.0},
    "rapl": {"_target_": "greenkd.energy.Rapl"},
    "replay": {"_target_": "greenkd.energy.Replay", "recording": "readings.jsonl"},
    "simulated": {"_target_": "greenkd.energy.Simulated", "cpu_watts": 10.0, "gpu_watts": None, "ram_watts": None},
    "zeus": {"_target_": "greenkd.energy.Zeus"},
}
COMMON: dict[str, object] = {
    "country": None,
    "region": None,
    "intensity_g_per_kwh": None,
    "pue": 1.0,
    "heartbeat_s": 15.0,
    "watts_per_thread": 4.0,
}


def test_the_expectations_cover_every_option_and_every_common_setting() -> None:
    assert {option.stem for option in CONF.glob("*.yaml")} == set(OPTIONS)
    assert set(EnergyOptions.__dataclass_fields__) == {"name", *COMMON}


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_composes_to_a_meter_and_all_common_settings(option: str) -> None:
    text = (CONF / f"{option}.yaml").read_text()
    assert text.startswith("# ")
    assert f"energy={option}" in text

    needed = ("energy.recording=readings.jsonl",) if option == "replay" else ()
    config = composed(f"energy={option}", *needed)["energy"]
    assert config == {"name": option, **OPTIONS[option], **COMMON}

    # Every key is one of the common settings or an argument of the meter.
    _, _, meter = read_config(config, "c")
    assert meter == OPTIONS[option]


def test_the_common_settings_of_the_configuration_are_the_defaults_of_the_code() -> None:
    options, _, _ = read_config(composed()["energy"], "c")
    assert options == EnergyOptions(name="codecarbon")


def test_an_option_of_the_users_own_has_the_common_settings_too(tmp_path: Path) -> None:
    folder = tmp_path / "energy"
    folder.mkdir()
    (folder / "mine.yaml").write_text("name: mine\n_target_: greenkd.energy.CpuTime\nwatts_per_thread: 7.0\n")

    config = composed(f"hydra.searchpath=[file://{tmp_path}]", "energy=mine", "energy.country=FR")["energy"]
    changed = {"country": "FR", "watts_per_thread": 7.0}
    assert config == {"name": "mine", "_target_": "greenkd.energy.CpuTime", **COMMON, **changed}

    _, terms, _ = read_config(config, "c")
    assert terms.intensity.region == "FRA"


def test_metering_needs_no_torch() -> None:
    code = "import greenkd.energy, sys; assert 'torch' not in sys.modules, 'torch was imported'"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_killed_process_loses_no_more_than_a_heartbeat(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    program = f"""
import sys, time
from pathlib import Path
from greenkd.energy import open_monitor
from greenkd.records import Phase
config = {{"_target_": "greenkd.energy.Simulated", "heartbeat_s": 0.2}}
with open_monitor(config, campaign_id="c", ledger=Path({str(ledger)!r})) as monitor:
    with monitor.phase(Phase.STUDENT_TRAINING, trial=0):
        print("training", flush=True)
        time.sleep(60)
"""
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "training\n"
    while not any(row.trial == 0 for row in read_rows(ledger, LedgerRow).rows):
        assert process.poll() is None
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    recorded = read_rows(ledger, LedgerRow).rows
    assert sum(row.energy_kwh or 0 for row in recorded if row.trial == 0) > 0


def test_eight_processes_writing_one_ledger_lose_no_row(tmp_path: Path) -> None:
    ledger = tmp_path / "ledger.jsonl"
    program = f"""
import sys
from pathlib import Path
from greenkd.carbon import WORLD
from greenkd.energy.monitor import EnergyMonitor
from greenkd.energy.row_builder import CarbonTerms
from greenkd.energy.meters.software import NoMeter
from greenkd.records import Phase
terms = CarbonTerms(campaign_id=sys.argv[1], intensity=WORLD, pue=1.0, pue_source="", watts_per_thread=4.0)
with EnergyMonitor(NoMeter(), ledger=Path({str(ledger)!r}), terms=terms) as monitor:
    for trial in range(25):
        with monitor.phase(Phase.STUDENT_TRAINING, trial=trial):
            pass
        monitor.flush()
"""
    processes = [subprocess.Popen([sys.executable, "-c", program, str(number)]) for number in range(8)]
    assert [process.wait() for process in processes] == [0] * 8
    read = read_rows(ledger, LedgerRow)
    assert not read.torn
    trained = {(row.campaign_id, row.trial) for row in read.rows if row.phase is Phase.STUDENT_TRAINING}
    assert len(trained) == 8 * 25
