"""`greenkd weights convert` as a user types it, and what its file is then worth to a campaign."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from greenkd import models
from greenkd.__main__ import main
from greenkd.data import load_digits
from tests.campaigns import Campaign
from tests.outside import weight_files as files

NETWORK = ("--network", "small_cnn")


@pytest.fixture(scope="module")
def network() -> nn.Module:
    """A network whose weights are not random to the data: it has seen digits for a few steps."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = models.small_cnn(num_classes=10, in_channels=1, image_size=8)

    images, labels = images_of(load_digits().train.images), load_digits().train.labels
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    for _ in range(15):
        loss = nn.functional.cross_entropy(network(images), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def images_of(pixels: torch.Tensor, mean: float = 0.3050, std: float = 0.3756) -> torch.Tensor:
    return (pixels.float() / 255 - mean) / std


def accuracy(network: nn.Module, mean: float = 0.3050, std: float = 0.3756) -> str:
    test = load_digits().test
    with torch.inference_mode():
        right = (network(images_of(test.images, mean, std)).argmax(1) == test.labels).double().mean().item()
    return f"test {100 * right:.2f} %"


def checkpoint(network: nn.Module, path: Path) -> Path:
    """What a program that trains on several GPUs leaves."""
    state = files.without_counters(files.prefixed(dict(network.state_dict()), "module."))
    return files.torch_file(path, files.repdistiller_checkpoint(files.each_float(state, torch.Tensor.half)))


def test_a_checkpoint_becomes_a_teacher(network: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = checkpoint(network, tmp_path / "last.pth")
    assert main(["weights", "convert", str(path), *NETWORK]) == 0
    said = capsys.readouterr().out
    written = tmp_path / "last-small_cnn.safetensors"
    assert "its entry model; 10 classes, 1 channels" in said
    assert "taken from every name: module." in said
    assert "added: 2 counters" in said
    assert "precision: float16 → float32" in said
    assert f"teacher=small_cnn teacher.weights={written}" in said

    tensors = load_file(written)
    assert tensors.keys() == network.state_dict().keys()
    assert torch.equal(tensors["0.weight"], network.state_dict()["0.weight"].half().float())
    campaign = Campaign(
        tmp_path, "temperature=fixed", "training.epochs=1", f"teacher.weights={written}", "teacher.width=32"
    )
    assert campaign.record.teacher_result is not None
    assert f"test {100 * campaign.record.teacher_result.test_score:.2f} %" == accuracy(network)


def test_its_accuracy_is_said_at_the_mean_and_std_that_are_given(
    network: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkpoint(network, tmp_path / "last.pth")
    assert main(["weights", "convert", str(path), *NETWORK, "--dataset", "digits", "-o", str(tmp_path / "a")]) == 0
    assert accuracy(network) in capsys.readouterr().out

    other = ["dataset.mean=[0.0]", "dataset.std=[0.1]", "-o", str(tmp_path / "b")]
    assert main(["weights", "convert", str(path), *NETWORK, "--dataset", "digits", *other]) == 0
    said = capsys.readouterr().out
    assert accuracy(network, 0.0, 0.1) in said
    assert accuracy(network, 0.0, 0.1) != accuracy(network)
    assert "at dataset.mean=[0.0] dataset.std=[0.1]" in said
    assert said.strip().endswith("dataset=digits dataset.mean=[0.0] dataset.std=[0.1]")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--network", "tiny_cnn"], r" 0\.weight has shape \[32, 1, 3, 3\]"),
        (["--network", "resnet8"], r"no known way of naming.*missing in the file: conv1\.weight"),
        (["--network", "resnet5"], r"Could not find 'teacher/resnet5'.*resnet56"),
        ([*NETWORK, "teacher.depth=3"], r"depth"),
        ([*NETWORK, "--dataset", "cifar10", "data_dir=/nowhere"], r"/nowhere"),
        ([*NETWORK, "--dataset", "generated", "dataset.num_classes=3"], r"has shape|shape \[10"),
    ],
)
def test_a_mistake_is_answered_in_a_line_and_nothing_is_written(
    arguments: list[str], said: str, network: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkpoint(network, tmp_path / "last.pth")
    assert main(["weights", "convert", str(path), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert error.count("\n") == 1
    assert re.search(said, error), error
    assert [file.name for file in tmp_path.iterdir()] == ["last.pth"]


def test_a_file_that_is_there_is_not_replaced(
    network: nn.Module, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkpoint(network, tmp_path / "last.pth")
    before = path.read_bytes()
    assert main(["weights", "convert", str(path), *NETWORK, "-o", str(path)]) == 2
    assert "is there already; give -o" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_the_command_names_its_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 0
    assert "greenkd weights convert FILE --network NETWORK" in capsys.readouterr().out
    assert main(["weight"]) == 2
    assert "(did you mean weights?); there are export, submit, worker, weights, energy-check" in capsys.readouterr().err
