"""Features of images of earlier rounds, the oldest of which make room for new ones."""

import torch
from torch import Tensor


class MemoryBank:
    """Keeps the features of the last images.

    Args:
        size: Of how many.
        feature_size: Length of what is kept of one image.
        device: Where they lie.
    """

    def __init__(self, size: int, feature_size: int, device: torch.device) -> None:
        self._size = size
        self._features = torch.zeros(0, feature_size, device=device)

    def __len__(self) -> int:
        return len(self._features)

    def add(self, features: Tensor) -> None:
        """Adds features [N, feature_size]; what is beyond the size falls out, oldest first."""
        self._features = torch.cat((self._features, features.detach()))[-self._size :]

    def draw(self, count: int, random: torch.Generator) -> Tensor:
        """Draws different images, as many as there are at most; [count, feature_size].

        Args:
            count: How many.
            random: On the CPU.
        """
        chosen = torch.randperm(len(self), generator=random)[:count]
        return self._features[chosen.to(self._features.device)]

    def state(self) -> dict[str, Tensor]:
        """Returns the features."""
        return {"bank": self._features}

    def load_state(self, tensors: dict[str, Tensor]) -> None:
        """Takes over what `state` returned."""
        self._features = tensors["bank"]
