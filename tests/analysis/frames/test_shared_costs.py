"""Teachers and logits that another meter metered, in records of today and of greenkd 0.1, which do not say who did."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

import analysis
from greenkd.records import Costs, LedgerRow, Source
from tests.analysis.plans import GRID, Plan, grid, stochastic
from tests.analysis.sweeps import TEACHER_COSTS, write_campaign
from tests.records.edits import edit_document
from tests.records.test_metering import CODECARBON, JOULES, codecarbon, cpu_time

# The campaign's own meter: 8 W at two CPU seconds a second, so 4 W per CPU second, and nothing by the clock.
OWN: dict[str, Any] = {"source": Source.MODELLED, "watts": 8.0, "meter": "cpu_time 0.1.0", "method": "cpu_time_model"}
OTHER = "codecarbon (load_model, process; CPU cpu_load, TDP 8 W, RAM constant, 0 GPU(s))"

# What CodeCarbon made of 3 CPU seconds in 9 seconds: 4 W x 3 + 10 W x 9.
LOGITS = Costs(energy_kwh=102 / JOULES, co2eq_g=1.0, duration_s=9.0, cpu_s=3.0, flops=1e9, forward_flops=1e9)


def logits_joules(root: Path) -> tuple[float, str]:
    """Returns the energy of the logits of the one campaign, and what is said about the records."""
    sweep = analysis.load(root)
    said = " / ".join(problem.what for problem in sweep.problems)
    assert sweep.campaigns["logits_cpu_s"].iloc[0] == 3.0
    return float(sweep.campaigns["logits_energy_kwh"].iloc[0]) * JOULES, said


def write(root: Path, plan: Plan, **record: Any) -> Path:
    """Writes a campaign whose record is changed afterwards, as an earlier version wrote it."""
    folder = write_campaign(root, plan)
    edit_document(folder / "campaign.json", **record)
    return folder


def stretched(rows: list[LedgerRow], images: int) -> list[LedgerRow]:
    return [dataclasses.replace(row, images=images) for row in rows]


def test_a_record_of_today_is_in_own_terms_already(tmp_path: Path) -> None:
    converted = dataclasses.replace(LOGITS, energy_kwh=12 / JOULES)
    write_campaign(tmp_path, stochastic(0, logits=converted, logits_metered_by=(OTHER,), **OWN))
    joules, said = logits_joules(tmp_path)
    assert joules == pytest.approx(12)
    assert f"the teacher's logits: metered by {OTHER}; their energy is converted to cpu_time" in said


def test_the_ledger_in_the_cache_says_who_metered_the_logits_of_an_older_record(tmp_path: Path) -> None:
    # The stream holds twice as many images as the campaign needed, and was gone on with under another meter later.
    stream = tmp_path / "cache" / "logits" / "0123"
    stream.mkdir(parents=True)
    rows = [codecarbon(cpu_s=6.0, seconds=18.0), cpu_time(cpu_s=1.0, seconds=7.0)]
    (stream / "ledger.jsonl").write_text("".join(json.dumps(vars(row)) + "\n" for row in stretched(rows, 200)))

    # Within a tenth of what the own model says: the energy alone would not tell.
    near = dataclasses.replace(LOGITS, energy_kwh=12.9 / JOULES)
    folder = write(tmp_path / "sweep", stochastic(0, logits=near, **OWN))
    assert logits_joules(tmp_path / "sweep")[0] == pytest.approx(12.9)
    (folder / "config.yaml").write_text("cache_dir: cache\n")  # relative, as the default is
    joules, said = logits_joules(tmp_path / "sweep")
    assert joules == pytest.approx(4 * 3)
    assert OTHER in said


def test_without_the_cache_the_energy_tells_that_it_is_not_the_models(tmp_path: Path) -> None:
    write(tmp_path, stochastic(0, logits=LOGITS, **OWN))
    joules, said = logits_joules(tmp_path)
    assert joules == pytest.approx(4 * 3)
    assert "another meter, not on record" in said


def test_a_sensor_refuses_what_another_meter_made_and_says_so(tmp_path: Path) -> None:
    measured: dict[str, Any] = {"source": Source.MEASURED, "meter": "rapl 0.1.0", "method": "counter"}
    write_campaign(tmp_path / "a", stochastic(0, logits=LOGITS, **measured))
    joules, said = logits_joules(tmp_path / "a")
    assert joules == pytest.approx(102)  # nobody knows; it is left as it is, and said
    assert "which meter made their energy is not on record" in said

    # The campaign that computed them lies in the same sweep, under another meter.
    paid = vars(LOGITS)
    payer = stochastic(0, logits=LOGITS, **(CODECARBON_PLAN | {"temperature": {"name": "other"}}))
    write_campaign(tmp_path / "b", grid(0, *GRID, logits=LOGITS, **measured))
    write(tmp_path / "b", payer, logits_paid=paid)
    sweep = analysis.load(tmp_path / "b")
    energies = sweep.campaigns.set_index("strategy")["logits_energy_kwh"]
    assert energies.isna()["grid"]
    assert energies["stochastic"] * JOULES == pytest.approx(102)
    assert any("counts as unknown; run with another cache_dir" in problem.what for problem in sweep.problems)
    assert sweep.campaigns.set_index("strategy").isna().loc["grid", "tuning_energy_kwh"]


CODECARBON_PLAN: dict[str, Any] = {
    "source": Source.MODELLED,
    "watts": 8.0,
    "ram_watts": 10.0,
    "meter": CODECARBON["meter"],
    "method": CODECARBON["method"],
}


def test_a_teacher_of_another_meter_is_converted_too(tmp_path: Path) -> None:
    folder = write_campaign(tmp_path, stochastic(0, **OWN))
    teacher = json.loads((folder / "campaign.json").read_text())["teacher_result"]
    edit_document(folder / "campaign.json", teacher_result=teacher | {"metered_by": OTHER})

    sweep = analysis.load(tmp_path)
    row = sweep.campaigns.iloc[0]
    assert row["teacher_energy_kwh"] * JOULES == pytest.approx(4 * (TEACHER_COSTS.cpu_s or 0))
    assert row["teacher_co2eq_g"] == pytest.approx(row["teacher_energy_kwh"] * 56)
    assert any("the teacher's training: metered by codecarbon" in problem.what for problem in sweep.problems)


def test_a_campaign_of_two_meters_counts_in_terms_of_the_last(tmp_path: Path) -> None:
    folder = write_campaign(tmp_path, grid(0, *GRID, **OWN))
    path = folder / "ledger.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    made_by_other = {"ram_kwh": 0.001, "ram_source": "constant", "energy_kwh": 0.9, "cpu_kwh": 0.899} | CODECARBON
    path.write_text("".join(json.dumps(row) + "\n" for row in [rows[0] | made_by_other, *rows[1:]]))

    sweep = analysis.load(tmp_path)
    assert sweep.ledger["energy_kwh"].iloc[0] == pytest.approx(8 * 36 / JOULES)
    assert sweep.campaigns["meter"].tolist() == ["cpu_time 0.1.0"]
    assert sweep.campaigns["tuning_energy_kwh"].iloc[0] == pytest.approx(2 * 8 * 39.6 / JOULES)
    assert any("1 of 7 rows were metered by codecarbon" in problem.what for problem in sweep.problems)
