"""An optimiser's state as named tensors, to be kept between two rounds."""

import torch
from torch import Tensor


def optimizer_tensors(optimizer: torch.optim.Optimizer, prefix: str) -> dict[str, Tensor]:
    """Returns what an optimiser remembers of each parameter, as `<prefix><number>.<name>`."""
    return {
        f"{prefix}{number}.{name}": value
        for number, slot in optimizer.state_dict()["state"].items()
        for name, value in slot.items()
    }


def load_optimizer_tensors(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], prefix: str) -> None:
    """Takes over what `optimizer_tensors` returned; other tensors are passed over."""
    slots: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        if key.startswith(prefix):
            number, name = key.removeprefix(prefix).split(".", 1)
            slots.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": slots})
