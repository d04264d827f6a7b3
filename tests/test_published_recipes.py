"""Experiments that stand for published numbers: their values are the sources', and the commands they name compose."""

import re
from pathlib import Path

import pytest

from analysis.views.paper_table import TABLE_4
from greenkd.campaign.reading import read_settings
from greenkd.data.voc_archives import ARCHIVES
from greenkd.identity import network_identity
from greenkd.network_cards import read_network_cards
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


def test_a_run_on_voc_costs_what_the_paper_printed() -> None:
    """The paper's count: forward passes of both networks on every training picture, 1 MAC = 2 FLOPs."""
    config = composed("experiment=paper_voc")
    cards = read_network_cards()
    macs = sum(cards[config[group]["name"]].macs for group in ("teacher", "student"))
    published = {
        f"{archive.year}{split}": count for archive in ARCHIVES.values() for split, count in archive.splits.items()
    }
    pictures = sum(published[split] for split in config["dataset"]["splits"])
    assert pictures == 16_551
    assert {cards[config[group]["name"]].anchors for group in ("teacher", "student")} == {config["dataset"]["anchors"]}

    gflops_millions = 2 * macs * pictures * config["training"]["epochs"] * 1e-15
    assert gflops_millions == pytest.approx(72.70, abs=0.005)
    printed = {row.method: row.gflops_millions for row in TABLE_4 if row.dataset == "PASCAL VOC"}
    assert gflops_millions == pytest.approx(printed["stochastic"], rel=0.01)
    assert len(composed("experiment=paper_voc", "temperature=grid")["temperature"]["taus"]) == pytest.approx(
        printed["tuned"] / printed["stochastic"], rel=1e-3
    )


def test_the_papers_voc_rows_are_odkds_loss_and_start() -> None:
    settings = read_settings(composed("experiment=paper_voc"))
    assert settings.objective.name == "ssd_kd"
    assert settings.objective.mapping["tau_squared"] is False
    assert settings.teacher.mapping["pretrained_backbone"] is settings.student.mapping["pretrained_backbone"] is True
    assert read_settings(composed("experiment=paper_voc", "objective=ssd_dml")).objective.name == "ssd_dml"

    # A smoke run fetches nothing.
    small = read_settings(composed("experiment=paper_voc", "smoke=true"))
    assert small.teacher.mapping["pretrained_backbone"] is small.student.mapping["pretrained_backbone"] is False

    # Where the published file lies is nobody's identity: its content is checked.
    elsewhere = composed("experiment=paper_voc", "student.backbone_weights=/a.pth", "teacher.backbone_weights=/b.pth")
    assert read_settings(elsewhere).campaign_id == settings.campaign_id
    assert network_identity(elsewhere["teacher"]) == network_identity(settings.teacher.mapping)
