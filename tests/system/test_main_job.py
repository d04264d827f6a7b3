"""The main job as a user types it."""

import csv
import json
from pathlib import Path

import pytest

from tests.system.conftest import QUICK, Run

pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.fixture(scope="module")
def swept(fresh: Run) -> str:
    """What the first sweep says, in a new interpreter."""
    done = fresh("-m", "temperature=fixed,stochastic", "sweep=main", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_sweep_lists_runs_and_compares(swept: str, base: Path) -> None:
    assert "2 campaigns, 2 trials" in swept
    assert swept.count("trial 1/1") == 2
    assert "stochastic" in swept.rsplit("2 campaigns", 1)[1]
    with (base / "multirun/main/comparison.csv").open() as file:
        strategies = [row["strategy"] for row in csv.DictReader(file)]
    assert len(strategies) == 2
    for name in ("comparison.md", "comparison.tex"):
        assert (base / "multirun/main" / name).stat().st_size > 0


def test_the_same_command_trains_nothing_and_prints_the_table_again(swept: str, greenkd: Run, base: Path) -> None:
    ledgers = {path: path.read_bytes() for path in base.glob("multirun/main/**/ledger.jsonl")}
    assert len(ledgers) == 2
    again = greenkd("-m", "temperature=fixed,stochastic", "sweep=main", *QUICK)
    assert again.returncode == 0
    assert "2 campaigns are done already" in again.stdout
    assert "stochastic" in again.stdout
    assert {path: path.read_bytes() for path in ledgers} == ledgers


def test_one_campaign_by_default_is_stochastic(greenkd: Run, base: Path) -> None:
    done = greenkd("sweep=single", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    (record,) = base.glob("multirun/single/**/campaign.json")
    assert json.loads(record.read_text())["strategy"] == "stochastic"
    assert str(record.parent.relative_to(base)) in done.stdout


def test_a_grid_the_hydra_way(greenkd: Run, base: Path) -> None:
    done = greenkd("-m", "temperature=fixed", "temperature.tau=2,8", "sweep=swept", *QUICK)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 campaigns, 2 trials" in done.stdout
    assert "grid" in done.stdout.rsplit("2 campaigns", 1)[1].lower()


def test_a_dry_run_trains_nothing(greenkd: Run, base: Path) -> None:
    done = greenkd("-m", "temperature=grid,optuna,stochastic", "seed=0,1", "dry_run=true", "sweep=dry")
    assert done.returncode == 0
    assert "6 campaigns, 60 trials" in done.stdout
    order = [line for line in done.stdout.splitlines() if line.startswith(("order:", "  seed "))]
    assert [line.split(":")[0].strip() for line in order] == ["order", "seed 0", "seed 1"]
    assert all(line.count("stochastic") == 1 for line in order[1:])
    sequential = greenkd("-m", "temperature=grid,stochastic", "order=sequential", "dry_run=true", "sweep=dry")
    assert "order: one after the other, as listed" in sequential.stdout
    assert not list(base.glob("multirun/dry/**/ledger.jsonl"))


def test_help_and_config(greenkd: Run) -> None:
    shown = greenkd("--help")
    assert shown.returncode == 0
    for group in ("dataset:", "teacher:", "student:", "objective:", "temperature:", "training:", "energy:"):
        assert group in shown.stdout
    job = greenkd("--cfg", "job", "temperature=grid")
    assert job.returncode == 0
    assert "greenkd.temperature.Grid" in job.stdout


def test_a_users_own_network_and_schedule(greenkd: Run, base: Path) -> None:
    (base / "mine.py").write_text(
        "import numpy as np\n"
        "from torch import nn\n"
        "from greenkd.temperature import Temperatures\n"
        "class Net(nn.Module):\n"
        "    def __init__(self, num_classes, image_size, width=8):\n"
        "        super().__init__()\n"
        "        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(image_size**2, width), nn.ReLU(),\n"
        "                                    nn.Linear(width, num_classes))\n"
        "    def forward(self, x):\n"
        "        return self.layers(x)\n"
        "class Sawtooth:\n"
        "    def __init__(self, top):\n"
        "        self.top = top\n"
        "    def temperatures(self, *, seed, epoch, epochs, steps):\n"
        "        return Temperatures.shared(1.0 + np.arange(steps) % self.top)\n"
    )
    done = greenkd(
        "sweep=own",
        "student.name=net",
        "student._target_=mine.Net",
        "temperature=schedule",
        "temperature.name=sawtooth",
        "~temperature.schedule",
        "+temperature.schedule={_target_: mine.Sawtooth, top: 3}",
        *QUICK,
        PYTHONPATH=f"{base}:{Path(__file__).parents[2]}",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    (steps,) = base.glob("multirun/own/**/steps.jsonl")
    assert json.loads(steps.read_text().splitlines()[0])["taus"][:4] == [1.0, 2.0, 3.0, 1.0]
