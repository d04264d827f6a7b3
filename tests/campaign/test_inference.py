"""The inference phase: per-pass figures, and the memory of a forward pass against a count by hand."""

from pathlib import Path

import pytest
import torch
from torch import nn

from greenkd.campaign.inference import measure_inference, peak_memory
from greenkd.data import load
from greenkd.energy import open_monitor
from greenkd.records import LedgerRow, NetworkRecord, Phase, read_rows
from greenkd.tasks import CLASSIFICATION
from greenkd.training.context import TrainingContext
from greenkd.training.data_module import DataModule
from greenkd.training.network_factory import NetworkFactory
from greenkd.training.stop_signals import StopFlag
from tests.campaigns import settings

CPU = torch.device("cpu")
IMAGES, SIZE = 359, 8  # the digits' test part


@pytest.fixture
def context(tmp_path: Path):
    chosen = settings(tmp_path)
    options, dataset = load(chosen.config["dataset"])
    with open_monitor(chosen.config["energy"], campaign_id="c", ledger=tmp_path / "ledger.jsonl") as monitor:
        yield TrainingContext(
            data=DataModule(CLASSIFICATION, options, dataset, CPU),
            networks=NetworkFactory(CLASSIFICATION, dataset, options.name, CPU),
            device=CPU,
            monitor=monitor,
            stop=StopFlag(),
            checkpoint_every_s=60.0,
            threads=1,
        )


def network() -> nn.Module:
    layers = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(4 * SIZE * SIZE, 10))
    return layers.to(memory_format=torch.channels_last)


def test_figures_are_those_of_one_pass(context: TrainingContext, tmp_path: Path) -> None:
    recipe = settings(tmp_path).training.recipe
    size = NetworkRecord(name="own", parameters=7, forward_flops_per_image=1000.0, training_flops_per_image=3000.0)
    record = measure_inference(context, network(), recipe, size, trial=3, attempt=2, window_s=0.2)
    rows = [row for row in read_rows(tmp_path / "ledger.jsonl", LedgerRow).rows if row.phase is Phase.INFERENCE]
    assert {(row.trial, row.attempt) for row in rows} == {(3, 2)}
    assert record.passes > 1
    assert sum(row.images for row in rows) == IMAGES * record.passes
    assert record.images == record.batch_size == IMAGES
    assert record.costs.flops == pytest.approx(IMAGES * 1000.0)
    assert record.costs.duration_s * record.passes == pytest.approx(sum(row.duration_s for row in rows))
    energies = [row.energy_kwh for row in rows if row.energy_kwh is not None]
    assert record.costs.energy_kwh == pytest.approx(sum(energies) / record.passes)
    assert record.images_per_s == pytest.approx(IMAGES / record.costs.duration_s)
    assert record.parameters == 7


def test_no_window_is_one_pass(context: TrainingContext, tmp_path: Path) -> None:
    recipe = settings(tmp_path).training.recipe
    size = NetworkRecord(name="own", parameters=7, forward_flops_per_image=None, training_flops_per_image=None)
    record = measure_inference(context, network(), recipe, size, trial=None, attempt=0, window_s=0.0)
    assert record.passes == 1
    assert record.costs.flops is None


def test_memory_is_weights_batch_and_what_is_alive_at_once(context: TrainingContext, tmp_path: Path) -> None:
    batch = 10
    peak, method = peak_memory(context, network(), settings(tmp_path).training.recipe, batch)
    weights = (4 * 9 + 4) + (4 * SIZE * SIZE * 10 + 10)
    images, map_ = batch * SIZE * SIZE, batch * 4 * SIZE * SIZE
    # ReLU is the widest moment: its input and its output are there at once; the linear layer's output is smaller.
    # `contiguous` makes no copy of a single-channel batch, whose channels-last order is its own order.
    assert peak == 4 * (weights + images + 2 * map_)
    assert method == "tensors"
