from pathlib import Path

import pytest
import torch
from torch import nn

from greenkd.errors import StorageError
from greenkd.training.safetensors_io import load_foreign_tensors, load_tensors, save_tensors


def tensors() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)).to(memory_format=torch.channels_last)
    return dict(network.state_dict())


def test_round_trip_keeps_every_bit_and_the_metadata(tmp_path: Path) -> None:
    saved = tensors()
    save_tensors(tmp_path / "a.safetensors", saved, {"epoch": 3})
    loaded, meta = load_tensors(tmp_path / "a.safetensors")
    assert meta == {"epoch": 3}
    assert loaded.keys() == saved.keys()
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_a_damaged_file_is_recognised(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "a.safetensors"
    save_tensors(path, tensors(), {})
    content = bytearray(path.read_bytes())
    if damage == "flipped":
        content[-3] ^= 1
    path.write_bytes({"cut": content[:-5], "flipped": content, "empty": b""}[damage])
    with pytest.raises(StorageError, match=r"a\.safetensors"):
        load_tensors(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        save_tensors(tmp_path / "file" / "a.safetensors", tensors(), {})


def test_a_link_in_the_place_of_weights_is_neither_written_through_nor_read(tmp_path: Path) -> None:
    save_tensors(tmp_path / "theirs", tensors(), {})
    before = (tmp_path / "theirs").read_bytes()
    link = tmp_path / "student.safetensors"
    link.symlink_to("theirs")
    with pytest.raises(StorageError, match="is a link to theirs"):
        save_tensors(link, {"other": torch.ones(1)}, {})
    with pytest.raises(StorageError, match="is a link to theirs"):
        load_tensors(link)
    assert (tmp_path / "theirs").read_bytes() == before
    assert load_foreign_tensors(link)[0].keys() == tensors().keys(), "what a user names may be a link"
