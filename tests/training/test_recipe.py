import math
from typing import Any

import pytest
import torch

from greenkd.errors import ConfigError
from greenkd.training.recipe import Recipe, TrainingOptions, read_options
from tests.campaigns import composed


def options(name: str, **changes: Any) -> TrainingOptions:
    return read_options({**composed(f"training={name}")["training"], **changes})


def test_multistep_with_warm_up_follows_the_published_code() -> None:
    recipe = options("paper").recipe
    steps = 10
    rates = [recipe.learning_rate(step, steps) for step in range(recipe.epochs * steps)]
    assert rates[:10] == pytest.approx([0.01 * (step + 1) for step in range(10)])
    by_epoch = {0: 0.1, 1: 0.1, 29: 0.1, 30: 0.02, 59: 0.02, 60: 0.004, 79: 0.004, 80: 0.0008, 99: 0.0008}
    for epoch, rate in by_epoch.items():
        assert rates[epoch * steps + steps - 1] == pytest.approx(rate), epoch


def test_cosine_is_pytorchs() -> None:
    recipe = Recipe(epochs=5, batch_size=8, lr=0.3, lr_schedule="cosine")
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.3)
    scheduler = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=20)
    for step in range(20):
        assert recipe.learning_rate(step, 4) == pytest.approx(optimizer.param_groups[0]["lr"], abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_cifar240_is_the_literatures_protocol() -> None:
    recipe = options("cifar240").recipe
    assert (recipe.epochs, recipe.batch_size, recipe.momentum, recipe.weight_decay) == (240, 64, 0.9, 5e-4)
    rates = [recipe.learning_rate(epoch, 1) for epoch in (0, 149, 150, 179, 180, 209, 210, 239)]
    assert rates == pytest.approx([0.05, 0.05, 5e-3, 5e-3, 5e-4, 5e-4, 5e-5, 5e-5])


def test_the_teacher_takes_the_students_recipe_but_for_what_is_set() -> None:
    shared = options("quick")
    assert shared.teacher_recipe() == shared.recipe
    own = options("quick", teacher={"seed": 3, "epochs": 7, "lr": None}).teacher_recipe()
    assert own.epochs == 7
    assert own.lr == shared.recipe.lr


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"epochs": 0}, "training.epochs=0"),
        ({"lr": -0.1}, "training.lr=-0.1"),
        ({"lr": math.nan}, "training.lr=nan"),
        ({"momentum": 1.0}, "training.momentum=1.0"),
        ({"batch_size": 1}, "training.batch_size=1"),
        ({"lr_schedule": "exponential"}, "'multistep', 'cosine' or 'constant'"),
        ({"lr_schedule": "multistep", "milestones": [60, 30]}, "must rise"),
        ({"nesterov": True, "momentum": 0.0}, "nesterov=true needs momentum"),
        ({"epohcs": 3}, "did you mean training.epochs?"),
        ({"teacher": {"sed": 1}}, "did you mean training.teacher.seed?"),
        ({"bank_limit_gb": 0}, "training.bank_limit_gb=0"),
    ],
)
def test_a_mistake_is_refused_by_name(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError) as refused:
        options("quick", **changes)
    assert words in str(refused.value)
