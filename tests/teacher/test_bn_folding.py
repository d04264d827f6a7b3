"""A folded teacher says the same within the bound, has no batch norm, and is used where it was asked for only."""

import logging
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import nn

from greenkd import models
from greenkd.teacher import bn_folding
from greenkd.teacher.bn_folding import BOUND, fold_batch_norms
from greenkd.training.backend.cpu_layout import quicken_on_cpu
from greenkd.training.recipe import Recipe
from greenkd.training.safetensors_io import load_tensors
from tests.campaigns import Campaign

RECIPE = Recipe(epochs=1, batch_size=8, lr=0.1)


def batch_norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


@pytest.mark.parametrize("build", [models.resnet18, models.mobilenet_v2_half, models.vgg8, models.small_cnn])
def test_folding_leaves_no_batch_norm_and_the_same_logits(build: Callable[..., nn.Module]) -> None:
    torch.manual_seed(0)
    network = quicken_on_cpu(build(num_classes=10, image_size=32)).train()
    for _ in range(3):
        network(torch.rand(8, 3, 32, 32) + 1)
    network.eval().requires_grad_(False)
    images = torch.randn(8, 3, 32, 32)
    wanted = network(images)
    folded, why = fold_batch_norms(network, images, RECIPE)
    assert why is None
    assert batch_norms(folded) == 0 < batch_norms(network)
    found = folded(images)
    assert not torch.equal(found, wanted)
    assert float((found - wanted).abs().max()) <= BOUND * float(wanted.abs().max())
    assert torch.equal(network(images), wanted)  # it is not changed


class Branching(nn.Module):
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return images.mean((2, 3)) if images.sum() > 0 else images.amax((2, 3))


def test_a_network_that_cannot_be_traced_stays() -> None:
    network = Branching().eval()
    kept, why = fold_batch_norms(network, torch.rand(2, 3, 4, 4), RECIPE)
    assert kept is network
    assert why is not None
    assert "cannot be traced" in why


def test_a_network_whose_logits_would_move_too_far_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bn_folding, "BOUND", 1e-12)
    network = models.small_cnn(num_classes=10, image_size=16).eval()
    kept, why = fold_batch_norms(network, torch.rand(4, 3, 16, 16), RECIPE)
    assert kept is network
    assert why is not None
    assert "more than 1e-12" in why


def test_campaigns_with_a_folded_teacher_have_logits_of_their_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    fixed = ("temperature=fixed", "training.epochs=1")
    plain = Campaign(tmp_path, *fixed)
    with caplog.at_level(logging.INFO):
        folded = Campaign(tmp_path, *fixed, "training.fold_teacher=true")
    assert "not folded" not in caplog.text
    assert folded.record.campaign_id != plain.record.campaign_id
    one, other = (load_tensors(file)[0]["logits"] for file in sorted((tmp_path / "cache").rglob("epoch_*.safetensors")))
    assert not torch.equal(one, other)
    torch.testing.assert_close(one, other, rtol=0, atol=BOUND * float(one.abs().max()))
    crd = Campaign(tmp_path, *fixed, "objective=crd", "objective.negatives=64", "training.fold_teacher=true")
    assert crd.record.test_score is not None  # features are tapped from the folded network
