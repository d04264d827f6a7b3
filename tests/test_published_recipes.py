"""Experiments that stand for published numbers: their values are the sources', and the commands they name compose."""

import re
from pathlib import Path

import pytest

from greenkd.campaign.settings import read_settings
from tests.campaigns import ROOT, composed

# Batch sizes in the parameter files of Tf-KD's code: of the self-distillation, and of the baseline, which is its copy.
TFKD_BATCH = {
    "densenet121": (100, 128),
    "googlenet": (64, 64),
    "mobilenet_v2": (128, 128),
    "resnet18": (128, 128),
    "resnext29": (64, 64),
    "shufflenet_v2": (128, 128),
}
LITERATURE = sorted(path.stem for path in (ROOT / "conf" / "experiment").glob("literature_cifar100_*_*.yaml"))
PAGES = [*sorted((ROOT / "conf").glob("*/*.yaml")), ROOT / "docs" / "reproducing.md"]


@pytest.mark.parametrize("network", TFKD_BATCH)
def test_tfkd_has_the_learning_rate_batch_and_rotation_of_its_code(network: str) -> None:
    config = composed(f"experiment=tfkd_{network}")
    training = read_settings(config).training
    student, copy = training.recipe, training.teacher_recipe()
    assert (student.batch_size, copy.batch_size) == TFKD_BATCH[network]
    assert (student.lr, copy.lr) == tuple(pytest.approx(0.1 * batch / 128) for batch in TFKD_BATCH[network])
    assert config["dataset"]["augmentation"] == {"crop_padding": 4, "flip": True, "rotation_deg": 15.0}
    assert (student.epochs, student.milestones, student.gamma, student.warmup_epochs) == (200, (60, 120, 160), 0.2, 1)
    assert config["student"].get("dropout", 0.0) == (0.4 if network == "googlenet" else 0.0)
    assert config["student"].get("init", "source") == "source"


@pytest.mark.parametrize("experiment", LITERATURE)
def test_the_published_column_of_crd_is_the_contrast_alone(experiment: str) -> None:
    text = (ROOT / "conf" / "experiment" / f"{experiment}.yaml").read_text(encoding="utf-8")
    assert f"experiment={experiment} objective=none,crd_alone\n" in text
    objective = composed(f"experiment={experiment}", "objective=crd_alone")["objective"]
    assert (objective["ce_weight"], objective["kl_weight"], objective["crd_weight"]) == (1.0, 0.0, 0.8)


@pytest.mark.parametrize(
    ("pair", "beta"),
    [
        ("resnet32x4_resnet8x4", 8),
        ("wrn_40_2_wrn_16_2", 6),
        ("resnet56_resnet20", 2),
        ("resnet32x4_shufflenet_v2", 8),  # no beta in mdistiller's file of the pair: its default
        ("resnet50_mobilenet_v2_half", 8),
    ],
)
def test_dkd_has_mdistillers_beta(pair: str, beta: int) -> None:
    text = (ROOT / "conf" / "experiment" / f"literature_cifar100_{pair}.yaml").read_text(encoding="utf-8")
    assert f"objective=dkd objective.beta={beta}\n" in text
    assert "not known" not in text


def commands(page: Path) -> list[str]:
    """Returns the full commands for a published recipe that a page names, without what a shell would expand."""
    text = page.read_text(encoding="utf-8").replace("\\\n#", " ")
    named = re.findall(r"python run\.py ((?:-m )?[^`\n]*)", text)
    return [command for command in named if "<" not in command and re.search("(training|experiment)=tfkd", command)]


@pytest.mark.parametrize("command", sorted({command for page in PAGES for command in commands(page)}))
def test_a_command_for_tfkd_composes_to_settings(command: str) -> None:
    overrides = dict(word.split("=", 1) for word in command.split() if word != "-m")
    for objective in overrides.get("objective", "").split(","):
        one = overrides | ({"objective": objective} if objective else {})
        assert read_settings(composed(*(f"{key}={value}" for key, value in one.items()))).training.recipe.epochs == 200
