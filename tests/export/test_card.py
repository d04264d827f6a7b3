"""The model card: as the hub's own library reads it, and with the numbers that the analysis gets by its own way."""

import dataclasses

import pytest
import yaml

import analysis
import greenkd
from analysis import units
from greenkd.export import StudentFacts
from greenkd.export.card import model_card
from tests.campaigns import Campaign

FILES = ("model.onnx", "model.pt2", "model.safetensors")


@pytest.fixture(scope="module")
def facts(digits: Campaign) -> StudentFacts:
    return greenkd.load_student(digits.folder).facts


def test_the_hubs_library_reads_the_front_matter(facts: StudentFacts, digits: Campaign) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="the extra of development is not installed")
    card = hub.ModelCard(model_card(facts, FILES), ignore_metadata_errors=False)
    assert card.data.license == "unknown"
    assert card.data.library_name == "greenkd"
    assert card.data.pipeline_tag == "image-classification"
    assert card.data.datasets == ["digits"]
    assert card.data.model_name == "tiny_cnn-digits"
    (result,) = card.data.eval_results
    assert (result.task_type, result.dataset_split, result.metric_type) == ("image-classification", "test", "accuracy")
    assert result.metric_value == pytest.approx(digits.record.test_score, abs=1e-6)
    assert "## How τ was chosen" in card.text


def test_a_detectors_card_names_its_task_and_metric(scenes: Campaign) -> None:
    hub = pytest.importorskip("huggingface_hub", reason="the extra of development is not installed")
    card = hub.ModelCard(model_card(greenkd.load_student(scenes.folder).facts, FILES))
    assert card.data.pipeline_tag == "object-detection"
    assert card.data.metrics == ["mean_average_precision"]
    assert "mAP by area" in card.text
    assert "one training, so there was nothing to choose" in card.text


def test_costs_are_those_of_the_analysis(facts: StudentFacts, digits: Campaign) -> None:
    sweep = analysis.load(digits.folder)
    row = sweep.campaigns.iloc[0]
    runs = analysis.strategy_runs(sweep)
    final = runs[runs["origin"] == "campaign"].iloc[0]
    for name in ("energy_kwh", "co2eq_g", "cpu_s", "flops", "duration_s"):
        assert getattr(facts.costs.choosing, name) == pytest.approx(row[f"tuning_{name}"])
        assert getattr(facts.costs.training, name) == pytest.approx(final[f"final_{name}"])
        assert facts.costs.teacher is not None
        assert getattr(facts.costs.teacher, name) == pytest.approx(row[f"teacher_{name}"])

    text = model_card(facts, FILES)
    front = yaml.safe_load(text.split("---\n")[1])
    assert front["co2_eq_emissions"]["emissions"] == pytest.approx(row["tuning_co2eq_g"], rel=1e-5)
    factor, unit = units.scale("cpu_s", [row["tuning_cpu_s"]])
    assert f"CPU, {unit}" in text
    assert units.figure(row["tuning_cpu_s"] * factor) in text


def test_how_tau_was_chosen_is_told_without_the_other_trials_tests(facts: StudentFacts, digits: Campaign) -> None:
    text = model_card(facts, FILES)
    for row in digits.trials:
        assert row.val_score is not None
        mark = " (chosen)" if row.trial == digits.record.chosen_trial else ""
        assert f"| {row.trial}{mark} | τ {row.params['tau']:g} | {100 * row.val_score:.2f} % | complete |" in text
    assert "best accuracy on a validation split" in text
    assert "opened once, after the choice was on record" in text


def test_what_is_not_known_is_left_out_or_a_dash(facts: StudentFacts) -> None:
    unknown = dataclasses.replace(facts.costs.choosing, energy_kwh=None, co2eq_g=None)
    text = model_card(dataclasses.replace(facts, costs=dataclasses.replace(facts.costs, choosing=unknown)), FILES)
    assert "co2_eq_emissions" not in text
    assert "| choosing τ, this training included | – | – |" in text


def test_only_the_files_that_are_there_are_explained(facts: StudentFacts) -> None:
    assert "onnxruntime" not in model_card(facts, ["model.safetensors"])
    assert "load_student" not in model_card(facts, ["model.onnx"])
