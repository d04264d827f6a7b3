"""Plug-ins of users' own answer for their contract before anything is trained, the teacher included."""

from pathlib import Path

import pytest

from greenkd.errors import GreenkdError
from tests.campaigns import Campaign

HERE = "tests.outside.plugins"
SCHEDULE = ("temperature=schedule", "~temperature.schedule", f"+temperature.schedule._target_={HERE}.Schedule")
LOSS = ("objective=none", "objective.name=own", f"objective._target_={HERE}.Loss", "temperature=fixed")
NETWORK = ("student.name=own", f"student._target_={HERE}.Network", "~student.width", "temperature=fixed")
DATASET = ("dataset.name=own", f"dataset._target_={HERE}.dataset", "temperature=fixed")


def refusal(root: Path, *overrides: str) -> str:
    with pytest.raises(GreenkdError) as refused:
        Campaign(root, *overrides)
    assert not list(root.rglob("epochs.jsonl")), "nothing was trained"
    return str(refused.value)


@pytest.mark.parametrize(
    ("mistake", "came"),
    [
        ("a bare array", "returned a ndarray"),
        ("a list", "student is a list"),
        ("float64", "student is float64 of shape [3]"),
        ("one τ", "student is float32 of shape [1]"),
        ("zero", "student is [0.0, 0.0, 0.0]"),
        ("its own dice", "returned another τ when it was asked again"),
        ("an error", "breaks off on epoch 0 of 2, 3 steps, with KeyError: 'an error'"),
    ],
)
def test_a_schedule(tmp_path: Path, mistake: str, came: str) -> None:
    said = refusal(tmp_path, *SCHEDULE, f"+temperature.schedule.mistake='{mistake}'")
    assert f"temperature.schedule (Schedule): {came}" in said
    if "again" not in came and mistake != "an error":
        assert "wanted is greenkd.temperature.Temperatures(teacher, student), float32 arrays of shape [3]" in said


@pytest.mark.parametrize(
    ("mistake", "came"),
    [
        ("one for each image", "returned a tensor of torch.float32 and shape [4]"),
        ("a float", "returned a float"),
        ("detached", "returned a loss without a gradient"),
        ("of the teacher", "returned a loss on which the student's outputs have no influence"),
        ("nan", "returned nan"),
        ("an error", "breaks off on a batch of 4 images, logits [4, 10], with KeyError: 'an error'"),
    ],
)
def test_an_objective(tmp_path: Path, mistake: str, came: str) -> None:
    said = refusal(tmp_path, *LOSS, f"+objective.mistake='{mistake}'")
    assert f"objective=own (Loss): {came}" in said
    if mistake != "an error":
        assert "wanted is the mean loss of the batch: a floating-point tensor of shape [], finite" in said


@pytest.mark.parametrize(
    ("mistake", "came"),
    [
        ("frozen", "has no parameter that could be trained"),
        ("a dictionary", "in evaluation the network turns 2 images into dict"),
        ("auxiliary logits", "in training the network turns 2 images into tuple"),
        ("float64", "turns 2 images into float64 [2, 10]"),
        ("a class short", "turns 2 images into float32 [2, 9]"),
        ("an error", "cannot take images of shape [2, 1, 8, 8] in evaluation: KeyError: 'an error'"),
    ],
)
def test_a_network(tmp_path: Path, mistake: str, came: str) -> None:
    said = refusal(tmp_path, *NETWORK, f"+student.mistake='{mistake}'")
    assert came in said
    if "turns" in came:
        assert "one tensor of logits, float32 [2, 10], is needed" in said


@pytest.mark.parametrize(
    ("mistake", "said"),
    [
        ("a tuple", "made a tuple, but a Dataset is needed"),
        ("arrays", "images are a ndarray; give a torch.Tensor"),
        ("floats", "images are torch.float32 [20, 1, 8, 8]; give uint8 [N, C, H, W]"),
        ("pairs", "train is a tuple; give greenkd.data.Images"),
        ("numbers for names", "class_names=(0, 1): give one name per class, each a text"),
        ("an error", "dataset breaks off with KeyError: 'an error'"),
    ],
)
def test_a_data_set(tmp_path: Path, mistake: str, said: str) -> None:
    assert said in refusal(tmp_path, *DATASET, f"+dataset.mistake='{mistake}'")


def test_plug_ins_without_a_mistake_are_trained(tmp_path: Path) -> None:
    own = *SCHEDULE, *LOSS[:-1], *NETWORK[:-1], *DATASET[:-1]
    groups = "temperature.schedule", "objective", "student", "dataset"
    assert Campaign(tmp_path, *own, *(f"+{group}.mistake=none" for group in groups)).record.status == "done"
