"""What an estimate says of images that are made out of a teacher."""

from pathlib import Path

import pytest
import torch

from greenkd.campaign.campaign import run_campaign
from greenkd.campaign.console import Reporter
from greenkd.campaign.training_context import DataCache, open_training_context
from greenkd.energy import open_monitor
from greenkd.estimate import stopwatch
from greenkd.estimate.estimate import make_estimate
from greenkd.estimate.synthesis import stand_in_data, time_synthesis
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import settings
from tests.estimate.test_estimate import GRID, STOCHASTIC, planned, row

FAST = ("transfer=fast", "transfer.batch_size=64", "transfer.steps=4", "transfer.width=8")


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stopwatch, "PIECE_S", 0.05)


def test_the_images_are_counted_once_and_not_where_they_are_there(tmp_path: Path) -> None:
    campaigns = planned(tmp_path, (*FAST, *GRID), (*FAST, *STOCHASTIC))
    before = make_estimate(campaigns, StopFlag())
    images = row(before.rows, "images")
    assert images.cpu_s > 0
    assert images.flops > row(before.rows, "teacher logits").flops > 0

    record = run_campaign(*campaigns[1], StopFlag(), Reporter())
    assert record.synthesis_costs is not None
    assert record.synthesis_costs.flops == images.flops
    after = make_estimate(campaigns[:1], StopFlag())
    assert "images" not in {each.name for each in after.rows}


def test_a_few_steps_stand_for_all(tmp_path: Path) -> None:
    own = settings(tmp_path, *FAST, "transfer.adversarial=1", "transfer.images=1000", "transfer.held_out=24")
    monitor = open_monitor(own.energy.mapping, campaign_id="", ledger=tmp_path / "ledger.jsonl")
    context = open_training_context(own, torch.device("cpu"), monitor, StopFlag(), DataCache())
    teacher = context.networks.build(own.teacher.mapping, "teacher", 0)

    pool, trial = time_synthesis(own, context, teacher)
    assert pool.cpu_s > 0
    assert pool.times(2 / 16).cpu_s == pytest.approx(trial.cpu_s), "16 rounds of 64 images; two epochs, a round each"

    data = stand_in_data(own, context.data)
    assert (len(data.train), len(data.selections["agreement"])) == (1000, 24)
    assert data.test is context.data.test
