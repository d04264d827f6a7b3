"""What each way of making images does: it lowers its loss, goes on from what it remembers, and learns as published."""

import copy
import dataclasses
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from greenkd.data import load_generated
from greenkd.synthesis import CMI, DeepInversion, Fast, Noise, Transfer, Unlabelled
from greenkd.synthesis.best import BestStep
from greenkd.synthesis.memory_bank import MemoryBank
from greenkd.synthesis.statistics import BatchNormStatistics
from tests.synthesis.setups import setup, teacher

SMALL: dict[str, Any] = {"batch_size": 32, "latent_size": 8, "width": 4}
GENERATED: dict[str, Any] = {"num_classes": 4, "in_channels": 3, "image_size": 16, "train_per_class": 10}
WAYS = {
    "fast": Fast(**SMALL, steps=4),
    "reptile": Fast(**SMALL, steps=4, meta="reptile"),
    "cmi": CMI(**SMALL, steps=4, embedding_size=6, bank_size=50, negatives=40),
    "deepinv": DeepInversion(batch_size=32, steps=4),
    "noise": Noise(batch_size=32),
    "unlabelled": Unlabelled(batch_size=32, loader="greenkd.data.load_generated", arguments=GENERATED),
}


def nothing() -> None:
    """Stands for the stop flag."""


@pytest.mark.parametrize("way", WAYS)
def test_rounds_go_on_from_what_is_remembered(way: str) -> None:
    transfer = WAYS[way]
    whole = transfer.synthesiser(setup())
    expected = [whole.make(number, nothing) for number in range(4)]

    first = transfer.synthesiser(setup())
    made = [first.make(number, nothing) for number in range(2)]
    kept = {name: tensor.clone() for name, tensor in first.state().items()}
    second = transfer.synthesiser(setup())
    second.load_state(kept)
    made += [second.make(number, nothing) for number in (2, 3)]

    assert expected[0].shape == (32, 1, 8, 8)
    assert expected[0].dtype == torch.uint8
    assert all(torch.equal(one, other) for one, other in zip(made, expected, strict=True))
    assert not torch.equal(expected[0], expected[1])
    assert not torch.equal(transfer.synthesiser(setup(seed=1)).make(0, nothing), expected[0])


LONGER = [
    Fast(**SMALL, steps=30),
    CMI(**SMALL, steps=60, lr_generator=2e-2, contrast_weight=0.1),
    DeepInversion(steps=60, lr=0.05),
]


@pytest.mark.parametrize("transfer", LONGER, ids=["fast", "cmi", "deepinv"])
def test_images_come_nearer_to_what_the_teacher_remembers(transfer: Transfer) -> None:
    network = teacher()
    made_from = setup(network)

    def distance(images: Tensor) -> float:
        probe = copy.deepcopy(network)
        read = BatchNormStatistics(probe)
        probe(made_from.normalised(images.float() / 255))
        return read.loss().item()

    def last_of_three(options: Transfer) -> Tensor:
        synthesiser = options.synthesiser(made_from)
        return [synthesiser.make(number, nothing) for number in range(3)][-1]

    after_one_step = dataclasses.replace(transfer, steps=1)
    assert distance(last_of_three(transfer)) < 0.7 * distance(last_of_three(after_one_step))


def test_the_generator_learns_from_its_clones_gradients() -> None:
    options = Fast(**SMALL, steps=2, bn_weight=0.0, class_weight=1.0)
    made_from = setup()
    synthesiser = options.synthesiser(made_from)
    generator = copy.deepcopy(synthesiser._meta)
    synthesiser.make(0, nothing)

    # The same round, written out: two steps' gradients of the clone are added up, Adam steps once with twice the rate.
    random = made_from.random(0)
    latents = torch.randn(32, 8, generator=random).requires_grad_()
    targets = made_from.targets(32, random)
    clone = copy.deepcopy(generator)
    inner = torch.optim.Adam(
        [{"params": list(clone.parameters())}, {"params": [latents], "lr": 0.015}], 5e-3, (0.5, 0.999)
    )
    total = [torch.zeros_like(parameter) for parameter in generator.parameters()]
    for step in range(2):
        loss = F.cross_entropy(made_from.teacher(made_from.view(clone(latents), 0, step)), targets)
        gradients = torch.autograd.grad(loss, [*clone.parameters(), latents])
        for parameter, gradient in zip([*clone.parameters(), latents], gradients, strict=True):
            parameter.grad = gradient
        total = [one + other for one, other in zip(total, gradients[:-1], strict=True)]
        inner.step()

    # Adam's first step is rate · sign, but for its ε.
    for before, gradient, after in zip(generator.parameters(), total, synthesiser._meta.parameters(), strict=True):
        expected = before - 1e-2 * gradient / (gradient.abs() + 1e-8)
        torch.testing.assert_close(after, expected, rtol=1e-4, atol=1e-5)


def test_the_best_step_is_kept() -> None:
    best = BestStep()
    for loss, value in ((3.0, 0.0), (1.0, 1.0), (2.0, 2.0)):
        best.take(torch.tensor(loss), torch.full((2,), value))
    assert best.tensors[0].tolist() == [1.0, 1.0]


def test_the_memory_bank_forgets_the_oldest() -> None:
    bank = MemoryBank(5, 1, torch.device("cpu"))
    random = torch.Generator().manual_seed(0)
    assert bank.draw(3, random).shape == (0, 1)
    bank.add(torch.arange(4.0).view(4, 1))
    bank.add(torch.arange(4.0, 7.0).view(3, 1))
    drawn = bank.draw(5, random).flatten().tolist()
    assert sorted(drawn) == [2, 3, 4, 5, 6]
    assert len(bank.draw(3, random)) == 3


def test_another_data_sets_pictures_each_once_in_the_right_shape() -> None:
    transfer = WAYS["unlabelled"]
    synthesiser = transfer.synthesiser(setup())
    images = torch.cat([synthesiser.make(number, nothing) for number in range(3)])
    pictures = load_generated(**GENERATED).train.images

    # Scaled by two with an antialiased triangle, brightness by BT.601: their means are nearly the same.
    brightness = (pictures.double() * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(1).mean((1, 2))
    assert images[:40].float().mean((1, 2, 3)).sort().values.numpy() == pytest.approx(
        brightness.sort().values.numpy(), abs=2
    )
    assert torch.equal(images[40:80], images[:40]), "and again in the same order"
    assert transfer.source_fingerprint() is not None
