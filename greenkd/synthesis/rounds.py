"""Rounds of images as they are kept while a pool is made, so that a stop loses nothing and a kill little."""

import logging
import shutil
from pathlib import Path

import torch
from torch import Tensor

from greenkd.errors import StorageError
from greenkd.training.safetensors_io import load_tensors, save_tensors

log = logging.getLogger(__name__)


class KeptRounds:
    """The images of the rounds so far, and what the next one depends on.

    Args:
        folder: Where they are kept; removed when the pool is complete.

    Attributes:
        images: uint8 [N, C, H, W] on the CPU, one entry per round.
        state: What the synthesiser remembers after the last of them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._parts: list[str] = []
        self._kept = 0
        self.images: list[Tensor] = []
        self.state: dict[str, Tensor] = {}

    def load(self) -> bool:
        """Takes up what an earlier process has kept; False if there is nothing, or it is damaged, which is said."""
        if not self._state_path.exists():
            return False
        try:
            tensors, meta = load_tensors(self._state_path)
            parts = [load_tensors(self._folder / name)[0] for name in meta["parts"]]
        except (StorageError, KeyError) as error:
            log.warning("the images made so far are damaged and will be made again: %s", error)
            return False

        self.images = [tensor for part in parts for _, tensor in sorted(part.items())]
        self.state = tensors
        self._parts, self._kept = list(meta["parts"]), len(self.images)
        return True

    def add(self, images: Tensor, state: dict[str, Tensor]) -> None:
        """Takes a round that is done."""
        self.images.append(images.cpu())
        self.state = {name: tensor.detach().clone() for name, tensor in state.items()}

    def save(self) -> None:
        """Writes the rounds that are not on disk yet, and then what the next one depends on."""
        new = self.images[self._kept :]
        if not new:
            return

        name = f"from_{self._kept:06d}.safetensors"
        numbered = {f"{self._kept + offset:06d}": images for offset, images in enumerate(new)}
        save_tensors(self._folder / name, numbered, {})
        self._parts.append(name)
        self._write_state(self._state_path)
        self._kept = len(self.images)

    def save_state(self, path: Path) -> None:
        """Writes what a round after the last would depend on to another place."""
        self._write_state(path)

    def _write_state(self, path: Path) -> None:
        # A file without tensors is none: rounds that know nothing of each other have an empty one.
        save_tensors(path, self.state or {"nothing": torch.zeros(0)}, {"parts": self._parts})

    def remove(self) -> None:
        """Deletes what was kept."""
        shutil.rmtree(self._folder, ignore_errors=True)

    @property
    def _state_path(self) -> Path:
        return self._folder / "state.safetensors"
