"""Checkpoints: every bit comes back, damaged and foreign ones are not taken up, the one before is kept."""

import errno
import logging
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from torch import Tensor, nn

from greenkd.errors import StorageError
from greenkd.training.checkpoint import MAX_SHARE, Checkpointer, Position
from greenkd.training.safetensors_io import save_tensors

CPU = torch.device("cpu")


class Learner:
    """A channels-last network with momentum, after a few steps."""

    def __init__(self, seed: int, steps: int = 3, width: int = 4) -> None:
        torch.manual_seed(seed)
        self.network = nn.Sequential(nn.Conv2d(3, width, 3), nn.BatchNorm2d(width), nn.Flatten(), nn.LazyLinear(2))
        self.network(torch.zeros(2, 3, 6, 6))
        self.network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.objective = nn.Linear(2, 2)
        self.objective.register_buffer("bank", torch.zeros(4))
        parameters = [*self.network.parameters(), *self.objective.parameters()]
        self.optimizer = torch.optim.SGD(parameters, lr=1e-4, momentum=0.9, fused=True)
        self.train(range(steps))

    @property
    def modules(self) -> dict[str, nn.Module]:
        return {"network": self.network, "objective": self.objective}

    def train(self, steps: range) -> None:
        self.network.train()
        for step in steps:
            torch.manual_seed(step)
            images = torch.randn(5, 3, 6, 6).contiguous(memory_format=torch.channels_last)
            self.objective(self.network(images)).square().sum().backward()
            self.objective.bank += step
            self.optimizer.step()
            self.optimizer.zero_grad()

    def tensors(self) -> dict[str, Tensor]:
        return {f"{name}.{key}": v for name, module in self.modules.items() for key, v in module.state_dict().items()}


def position(step: int = 2) -> Position:
    losses = torch.tensor([0.5, 0.25, 0.0])
    return Position(1, step, losses, torch.tensor(7), 1.25, (0.1, float("nan"), 1 / 3))


def saved(path: Path, *learners: Learner, of: dict[str, object] | None = None) -> Checkpointer:
    checkpointer = Checkpointer(path, 60, of or {"tau": 2.0})
    for step, learner in enumerate(learners):
        checkpointer.save(learner.modules, learner.optimizer, position(step))
    return checkpointer


def test_a_training_that_goes_on_equals_one_that_never_stopped(tmp_path: Path) -> None:
    whole = Learner(0, steps=6)
    saved(tmp_path / "c", Learner(0, steps=3))
    resumed = Learner(1, steps=0)
    found = Checkpointer(tmp_path / "c", 60, {"tau": 2.0}).load(resumed.modules, resumed.optimizer, CPU)
    assert found is not None
    assert (found.epoch, found.step, found.duration_s) == (1, 0, 1.25)
    assert torch.equal(found.losses, position().losses)
    assert found.hits.item() == 7
    assert found.last[0] == 0.1
    assert found.last[1] != found.last[1]
    assert found.last[2] == 1 / 3
    resumed.train(range(3, 6))
    expected = whole.tensors()
    assert all(torch.equal(value, expected[name]) for name, value in resumed.tensors().items())
    for one, other in zip(resumed.optimizer.state.values(), whole.optimizer.state.values(), strict=True):
        assert torch.equal(one["momentum_buffer"], other["momentum_buffer"])
        assert one["momentum_buffer"].stride() == other["momentum_buffer"].stride()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-9] ^= 4
    path.write_bytes(content)


def change_the_step(path: Path) -> None:
    content = path.read_bytes()
    assert b'\\"step\\": 1' in content
    path.write_bytes(content.replace(b'\\"step\\": 1', b'\\"step\\": 2'))


def empty(path: Path) -> None:
    path.write_bytes(b"")


def foreign(path: Path) -> None:
    save_tensors(path, {"network.weight": torch.zeros(3)}, {"of": {"tau": 2.0}})


def without_header(path: Path) -> None:
    safetensors.torch.save_file({"network.weight": torch.zeros(3)}, path)


@pytest.mark.parametrize("damage", [cut, flip, change_the_step, empty, foreign, without_header])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(
    tmp_path: Path, damage: Callable[[Path], None], caplog: pytest.LogCaptureFixture
) -> None:
    before, after = Learner(0, steps=2), Learner(0, steps=3)
    saved(tmp_path / "c", before, after)
    damage(tmp_path / "c")
    resumed = Learner(1)
    with caplog.at_level(logging.WARNING):
        found = Checkpointer(tmp_path / "c", 60, {"tau": 2.0}).load(resumed.modules, resumed.optimizer, CPU)
    assert found is not None
    assert found.step == 0
    expected = before.tensors()
    assert all(torch.equal(value, expected[name]) for name, value in resumed.tensors().items())
    assert "c.damaged" in caplog.text
    assert (tmp_path / "c.damaged").exists()


@pytest.mark.parametrize("of", [{"tau": 3.0}, {}])
def test_a_checkpoint_of_other_parameters_leaves_everything_as_it_was(tmp_path: Path, of: dict[str, object]) -> None:
    saved(tmp_path / "c", Learner(0))
    fresh = Learner(1)
    before = {name: value.clone() for name, value in fresh.tensors().items()}
    assert Checkpointer(tmp_path / "c", 60, of).load(fresh.modules, fresh.optimizer, CPU) is None
    assert all(torch.equal(value, before[name]) for name, value in fresh.tensors().items())


def test_a_checkpoint_of_another_network_leaves_everything_as_it_was(tmp_path: Path) -> None:
    saved(tmp_path / "c", Learner(0, width=5))
    fresh = Learner(1)
    before = {name: value.clone() for name, value in fresh.tensors().items()}
    assert Checkpointer(tmp_path / "c", 60, {"tau": 2.0}).load(fresh.modules, fresh.optimizer, CPU) is None
    assert all(torch.equal(value, before[name]) for name, value in fresh.tensors().items())


def test_a_write_that_fails_keeps_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    checkpointer = saved(tmp_path / "c", Learner(0, steps=2))

    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    learner = Learner(0, steps=3)
    with pytest.raises(StorageError, match="No space left"):
        checkpointer.save(learner.modules, learner.optimizer, position())
    found = Checkpointer(tmp_path / "c", 60, {"tau": 2.0}).load(learner.modules, learner.optimizer, CPU)
    assert found is not None
    assert not list(tmp_path.glob("*.tmp"))


def test_a_finished_training_leaves_no_checkpoint(tmp_path: Path) -> None:
    checkpointer = saved(tmp_path / "c", Learner(0), Learner(0))
    assert {path.name for path in tmp_path.iterdir()} == {"c", "c.previous"}
    checkpointer.remove()
    assert not list(tmp_path.iterdir())


def test_checkpoints_take_at_most_their_share_of_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("greenkd.training.checkpoint.time.monotonic", lambda: now[0])
    checkpointer = Checkpointer(tmp_path / "c", 1, {})

    def slow(*_: Any) -> None:
        now[0] += 3.0

    monkeypatch.setattr("greenkd.training.checkpoint.save_tensors", slow)
    now[0] = 1.5
    assert checkpointer.due()
    learner = Learner(0)
    checkpointer.save(learner.modules, learner.optimizer, position())
    now[0] += 3 / MAX_SHARE - 1
    assert not checkpointer.due()
    now[0] += 2
    assert checkpointer.due()


def test_what_another_process_left_half_written_is_removed(tmp_path: Path) -> None:
    (tmp_path / ".c.12345.tmp").write_bytes(b"half")
    (tmp_path / ".c.67890.tmp").write_bytes(b"being written")
    os.utime(tmp_path / ".c.12345.tmp", (1e9, 1e9))  # long ago
    saved(tmp_path / "c", Learner(0))
    assert {path.name for path in tmp_path.iterdir()} == {"c", ".c.67890.tmp"}


def test_tied_weights_can_be_kept(tmp_path: Path) -> None:
    tied = torch.ones(3)
    save_tensors(tmp_path / "w", {"a": tied, "b": tied.view(3)}, {})
    assert safetensors.torch.load_file(tmp_path / "w").keys() == {"a", "b"}
