"""Settings that share their names are told apart by what they differ in."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis import load
from tests.analysis.plans import fixed
from tests.analysis.sweeps import write_campaign


def objectives(root: Path, *configs: dict[str, Any] | None) -> list[str]:
    """Returns the names of the objectives of campaigns of one name, each of its own setting and configuration."""
    for number, config in enumerate(configs):
        folder = write_campaign(root, fixed(number, 4.0, setting_id=f"setting{number}"))
        if config is not None:
            (folder / "config.yaml").write_text(yaml.safe_dump(config))
    campaigns = load(root).campaigns.sort_values("setting_id")
    return campaigns["objective"].tolist()


def configuration(lr: float = 0.1, **more: Any) -> dict[str, Any]:
    return {"training": {"lr": lr, "epochs": 5}, "temperature": {"name": "fixed"}, "device": "cpu", **more}


@pytest.mark.parametrize(
    ("configs", "names"),
    [
        (
            [configuration(0.05, seed=3), configuration(0.1, device="cuda", temperature={"name": "grid"})],
            ["kd, training.lr=0.05", "kd, training.lr=0.1"],
        ),
        (
            # The name of an option says what its settings say; what changes no result says nothing.
            [
                configuration(order={"first": 1}, optimizer={"name": "sgd", "momentum": 0.9}),
                configuration(optimizer={"name": "adam", "betas": [0.9, 0.99], "eps": 1e-8}),
            ],
            ["kd, optimizer=sgd", "kd, optimizer=adam"],
        ),
        ([configuration(), configuration(weight=2)], ["kd", "kd, weight=2"]),
        ([configuration(a=1, b=1, c=1, d=1), configuration(a=2, b=2, c=2, d=2)], ["kd", "kd"]),  # too much to say
        ([configuration(0.05), None], ["kd", "kd"]),
    ],
)
def test_what_differs_is_in_the_name_of_the_objective(
    tmp_path: Path, configs: list[dict[str, Any] | None], names: list[str]
) -> None:
    assert objectives(tmp_path, *configs) == names


def test_campaigns_of_one_setting_keep_its_name(tmp_path: Path) -> None:
    for seed, lr in ((0, 0.1), (1, 0.2)):
        folder = write_campaign(tmp_path, fixed(seed, 4.0))
        (folder / "config.yaml").write_text(yaml.safe_dump(configuration(lr)))
    assert load(tmp_path).campaigns["objective"].tolist() == ["kd", "kd"]
