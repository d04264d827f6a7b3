"""Files of weights as they are found: read where that runs nothing, answered with a cure where it is not possible."""

import contextlib
import json
import pickle
from pathlib import Path
from typing import Any

import pytest
import torch

from greenkd import models
from greenkd.errors import ConfigError, GreenkdError, StorageError
from greenkd.training.weights_file import read_given_weights
from greenkd.weights.foreign_file import read_foreign
from tests.outside import weight_files as files

STATE = models.tiny_cnn(num_classes=10, in_channels=1, image_size=8).state_dict()
CONTAINERS: dict[str, Any] = {
    "state dict": STATE,
    "state_dict": {"epoch": 3, "state_dict": STATE, "optimizer": {"state": {}, "param_groups": []}},
    "net": {"net": STATE, "acc": 93.1},
    "model": files.repdistiller_checkpoint(STATE),
    "model.state_dict": {"model": {"state_dict": STATE}},
    "ema": {"ema": STATE, "epoch": 3},
}


@pytest.mark.parametrize("container", CONTAINERS)
@pytest.mark.parametrize("ending", ["pth", "th", "bin", "pth.tar"])
def test_state_dicts_are_found_in_what_surrounds_them(container: str, ending: str, tmp_path: Path) -> None:
    path = files.torch_file(tmp_path / f"weights.{ending}", CONTAINERS[container])
    tensors, origin = read_foreign(path)
    assert tensors.keys() == STATE.keys()
    assert all(torch.equal(tensors[name], STATE[name]) for name in STATE)
    assert container in origin


def test_the_format_before_zip_archives_is_read(tmp_path: Path) -> None:
    torch.save({"state_dict": STATE}, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    assert read_foreign(tmp_path / "old.pth").tensors.keys() == STATE.keys()


class Trap:
    """A pickle that leaves a trace if it is run."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.trace,)


@pytest.mark.parametrize("zipped", [True, False])
def test_nothing_in_a_file_is_run(zipped: bool, tmp_path: Path) -> None:
    content = {"state_dict": STATE, "extra": Trap(tmp_path / "trace")}
    torch.save(content, tmp_path / "trap.pth", _use_new_zipfile_serialization=zipped)
    with pytest.raises(ConfigError, match=r"Python objects besides tensors.*torch\.save\(network\.state_dict\(\)"):
        read_foreign(tmp_path / "trap.pth")
    assert not (tmp_path / "trace").exists()


def test_a_whole_network_is_answered_with_what_to_save(tmp_path: Path) -> None:
    path = files.torch_file(tmp_path / "network.pt", {"model": files.OwnClass()})
    with pytest.raises(ConfigError, match="Python objects besides tensors"):
        read_foreign(path)
    with pytest.raises(ConfigError, match="no tensors by name"):
        read_foreign(files.torch_file(tmp_path / "numbers.pt", {"epoch": 3}))


def test_torchscript_is_named(tmp_path: Path) -> None:
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "program.pt"))
    with pytest.raises(ConfigError, match="TorchScript"):
        read_foreign(tmp_path / "program.pt")


NO_WEIGHTS = {
    "pointer": (files.LFS_POINTER, "git lfs pull"),
    "page": (files.WEB_PAGE, "web page"),
    "keras": (b"\x89HDF\r\n\x1a\n" + bytes(64), "HDF5"),
    "index": (json.dumps({"weight_map": {}}).encode(), "several parts"),
    "nothing": (b"", "is empty"),
    "text": (b"conv1.weight 0.1 0.2", "neither safetensors nor a file of torch.save"),
}


@pytest.mark.parametrize("kind", NO_WEIGHTS)
def test_what_is_no_weights_is_named_by_both_readers(kind: str, tmp_path: Path) -> None:
    content, said = NO_WEIGHTS[kind]
    path = tmp_path / "resnet56.safetensors"
    path.write_bytes(content)
    for reader in (read_foreign, lambda file: read_given_weights(file, "teacher", "resnet56")):
        with pytest.raises(ConfigError, match=said):
            reader(path)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "none.pth"):
        with pytest.raises(StorageError, match=r"cannot be read"):
            read_foreign(path)


@pytest.mark.parametrize("position", range(0, 900, 31))
def test_damage_ends_in_an_answer(position: int, tmp_path: Path) -> None:
    path = tmp_path / "weights.pth"
    torch.save({"state_dict": STATE}, path, _use_new_zipfile_serialization=False)
    content = bytearray(path.read_bytes())
    content[2 + position] ^= 0x55
    path.write_bytes(content)
    with contextlib.suppress(GreenkdError):
        assert all(isinstance(tensor, torch.Tensor) for tensor in read_foreign(path).tensors.values())


def test_a_cut_file_is_damaged(tmp_path: Path) -> None:
    path = files.torch_file(tmp_path / "weights.pth", STATE)
    path.write_bytes(path.read_bytes()[:-200])
    with pytest.raises(StorageError, match="damaged"):
        read_foreign(path)


def test_a_plain_pickle_is_no_file_of_torch(tmp_path: Path) -> None:
    (tmp_path / "plain.pkl").write_bytes(pickle.dumps({"a": 1}, protocol=2))
    with pytest.raises(GreenkdError, match=r"plain\.pkl"):
        read_foreign(tmp_path / "plain.pkl")
