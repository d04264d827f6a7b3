"""Checkpoints with averages over training, and weights that are no plain numbers."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from greenkd.errors import ConfigError, StorageError
from greenkd.training.network_weights import load_network
from greenkd.training.weights_file import expand
from greenkd.weights.convert import convert
from greenkd.weights.foreign_file import read_foreign


def network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


def test_the_average_that_pytorch_keeps_is_taken_without_its_count() -> None:
    averaged = torch.optim.swa_utils.AveragedModel(nn.DataParallel(network()))
    ours = network()
    conversion = convert(averaged.state_dict(), ours, "file")
    assert (conversion.prefix, conversion.left_out) == ("module.module.", ["n_averaged"])
    assert torch.equal(ours.state_dict()["0.weight"], averaged.state_dict()["module.module.0.weight"])


def test_an_average_beside_the_state_is_named_and_one_alone_is_taken(tmp_path: Path) -> None:
    last, average = network().state_dict(), network().state_dict()
    torch.save({"model": last, "model_ema": average, "epoch": 3}, tmp_path / "both.pth")
    both = read_foreign(tmp_path / "both.pth")
    assert both.origin == "a file of torch.save, its entry model (not taken: model_ema)"
    assert torch.equal(both.tensors["0.weight"], last["0.weight"])

    optimizer = {"state": {0: {"exp_avg": torch.ones(2)}}, "param_groups": []}
    torch.save({"ema": {"module": average, "decay": 0.9}, "optimizer": optimizer}, tmp_path / "nested.pth")
    nested = read_foreign(tmp_path / "nested.pth")
    assert nested.origin == "a file of torch.save, its entry ema.module"
    assert torch.equal(nested.tensors["0.weight"], average["0.weight"])


@pytest.mark.parametrize(
    ("weight", "said"),
    [
        (torch.ones(2, 1, 3, 3).to(torch.float8_e4m3fn), "float8_e4m3fn.*quantised"),
        (torch.eye(2).to_sparse(), "stored as sparse_coo; .*to_dense"),
        (torch.ones(2, 1, 3, 3, device="meta"), "without values"),
        (torch.full((2, 1, 3, 3), 1e300, dtype=torch.float64), "18 values that are no finite number"),
    ],
    ids=["quantised to 8 bits", "sparse", "of a lazy loader", "too large for float32"],
)
def test_weights_that_are_no_plain_numbers_are_refused(weight: Tensor, said: str) -> None:
    layer = nn.Linear(2, 2, bias=False) if weight.layout is torch.sparse_coo else nn.Conv2d(1, 2, 3, bias=False)
    with pytest.raises(ConfigError, match=said):
        load_network(layer, {"weight": weight}, "file")


def test_a_home_folder_that_nobody_has_is_named() -> None:
    with pytest.raises(StorageError, match=r"~nobody-of-that-name/a\.pth: no home folder"):
        expand("~nobody-of-that-name/a.pth")
