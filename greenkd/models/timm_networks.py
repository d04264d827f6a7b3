"""Any network of timm (PyTorch Image Models) by name: `student=timm student.arch=resnet18`.

timm is an optional extra, so it is imported when a network of it is built. These networks are not registered one by
one: `arch` chooses among over a thousand, and `conf/student/timm.yaml` names the option after it.
"""

import difflib
import importlib
from typing import Any

import torch
from torch import nn

from greenkd.errors import ConfigError

_INSTALL = "pip install 'greenkd[timm]'"


def from_timm(arch: str, num_classes: int, in_channels: int = 3, image_size: int = 32) -> nn.Module:
    """Creates a timm network with fresh weights, as timm defines it: its stem is not changed for small images.

    Args:
        arch: timm's name, `resnet18`, `mobilenetv3_small_100`, ...; `timm.list_models()` lists them.
        num_classes: Length of the logits.
        in_channels: Channels of the images.
        image_size: Pixels per side; passed on to architectures of a fixed input size (vision transformers).

    Raises:
        ConfigError: timm is not installed, it has no such architecture, the architecture cannot take images of this
            size, or it does not end in a linear layer.
    """
    timm = _import_timm()

    if not timm.is_model(arch):
        near = difflib.get_close_matches(arch, timm.list_models(), n=3)
        hint = f"near: {', '.join(near)}" if near else "timm.list_models() lists them"
        raise ConfigError(f"arch={arch}: timm {timm.__version__} has no such architecture; {hint}")

    published = timm.get_pretrained_cfg(arch)
    fixed = {"img_size": image_size} if published is not None and published.fixed_input_size else {}
    try:
        network = timm.create_model(arch, pretrained=False, num_classes=num_classes, in_chans=in_channels, **fixed)
        _try_out(network, in_channels, image_size)
    except (RuntimeError, AssertionError, ValueError) as error:
        raise ConfigError(
            f"arch={arch}: timm's network cannot take {image_size}×{image_size} images ({error}); take another"
        ) from error

    # Objectives on features read the input of the last linear layer, so it has to be the only one that makes logits.
    *_, last = (module for module in network.modules() if isinstance(module, (nn.Linear, nn.Conv2d)))
    if not isinstance(last, nn.Linear) or network.get_classifier() is not last:
        raise ConfigError(f"arch={arch}: does not end in one linear layer; take another")

    checked: nn.Module = network
    return checked


def _import_timm() -> Any:
    try:
        return importlib.import_module("timm")
    except ModuleNotFoundError as error:
        raise ConfigError(f"timm is not installed; {_INSTALL}, or take a network of greenkd.models") from error


def _try_out(network: Any, in_channels: int, image_size: int) -> None:
    """Runs the network on one blank image, without touching its batch statistics."""
    weight = next(network.parameters())
    image = torch.zeros(1, in_channels, image_size, image_size, device=weight.device)

    network.eval()
    with torch.no_grad():
        network(image)
    network.train()
