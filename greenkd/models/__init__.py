"""Networks by name: classic small-image networks, and torchvision's architectures with small-image stems.

Every function builds one network with fresh weights, drawn from PyTorch's global generator:

    name(num_classes: int, in_channels: int = 3, image_size: int = 32, ...) -> nn.Module

The network maps images [B, in_channels, image_size, image_size] to logits [B, num_classes]; its last module is the
linear layer that does so. Images smaller than a network can take raise a ValueError that names the least size.

A network of detection takes `anchors` (an `AnchorGrid`) as well, and returns one tensor [B, A, num_classes + 5]: for
every anchor the logits of background and classes, then four offsets.

`docs/networks.md` lists parameters and MACs.

A network is one function with `@register_network(...)` above it, in any module of this package: it is then an
attribute of `greenkd.models` and an option of `student` and `teacher`.

>>> from greenkd import models
>>> network = models.resnet20(num_classes=10)
>>> sum(parameter.numel() for parameter in network.parameters())
272474
"""

import importlib
import pkgutil

from greenkd.models.registry import NETWORK_CARDS, NETWORKS, register_network
from greenkd.models.timm_networks import from_timm

__all__ = ["NETWORKS", "NETWORK_CARDS", "from_timm", "register_network"]

for _module in pkgutil.iter_modules(__path__):
    importlib.import_module(f"{__name__}.{_module.name}")

# After the imports: a network may have the name of its module, as alexnet has.
globals().update(NETWORKS)
