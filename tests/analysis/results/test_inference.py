"""What using the networks costs, from records or the ledger."""

import dataclasses
from pathlib import Path

import pytest

import analysis
from analysis.results.inference import inference
from greenkd.records import Costs, InferenceRecord, read_campaign
from greenkd.records import write_campaign as write_record
from tests.analysis.plans import WATTS, standard_plans
from tests.analysis.sweeps import write_campaign, write_sweep


def test_inference_per_thousand_images(tmp_path: Path) -> None:
    write_sweep(tmp_path, seeds=(0,))
    found = inference(analysis.load(tmp_path)).set_index("role")
    # Planted: the student 0.5 s for 500 images, the teacher 1 s for 500.
    assert found.loc["teacher", "duration_s"] == pytest.approx(2.0)
    assert list(found.loc["student", "duration_s"]) == pytest.approx([1.0, 1.0])
    assert found.loc["teacher", "energy_kwh"] == pytest.approx(2.0 * WATTS / 3.6e6)


def test_inference_on_record_comes_before_the_ledger(tmp_path: Path) -> None:
    costs = Costs(energy_kwh=1e-6, co2eq_g=5e-5, duration_s=0.2, cpu_s=0.4, flops=1e6, forward_flops=1e6)
    metered = InferenceRecord(
        network="narrow", parameters=10, images=200, batch_size=50, threads=1, passes=3, costs=costs,
        images_per_s=1000.0, peak_memory_bytes=2**21, peak_memory_method="tensors",
    )  # fmt: skip
    path = write_campaign(tmp_path, standard_plans(seeds=(0,))[1]) / "campaign.json"
    write_record(path, dataclasses.replace(read_campaign(path), student_inference=metered))
    found = inference(analysis.load(tmp_path)).set_index("role").loc["student"]
    assert found["duration_s"] == pytest.approx(1.0)
    assert found["energy_kwh"] == pytest.approx(5e-6)
    assert found["peak_memory_bytes"] == 2**21
    priced = inference(analysis.load(tmp_path, pricing=analysis.make_pricing(intensity=100.0)))
    assert priced.set_index("role").loc["student", "co2eq_g"] == pytest.approx(5e-4)
