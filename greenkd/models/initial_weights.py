"""Initial weights as the code behind the published numbers has them, where torchvision's are others."""

from typing import Literal

from torch import nn

InitialWeights = Literal["torchvision", "source"]
"""`torchvision`: drawn as torchvision draws them; `source`: as in the code that a network's docstring names."""


def reset_to_pytorch_defaults(network: nn.Module) -> None:
    """Draws all convolutions and linear layers anew from PyTorch's default distribution, U(±1/√fan_in).

    The code of Tf-KD and of Rafat et al. leaves most of its networks there.

    Args:
        network: Changed in place.
    """
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.reset_parameters()
