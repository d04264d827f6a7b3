"""The device that trainings run on."""

import torch

from greenkd.errors import ConfigError


def resolve_device(name: str) -> torch.device:
    """Turns `auto`, `cpu`, `cuda`, `cuda:1`, `mps` into a device that exists here.

    Raises:
        ConfigError: There is no such device on this machine.
    """
    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.zeros(1, device=device)
    except (RuntimeError, AssertionError) as error:
        present = ["auto", "cpu"] + (["cuda"] if torch.cuda.is_available() else [])
        raise ConfigError(f"device={name}: not usable on this machine; here there is {', '.join(present)}") from error
    return device
