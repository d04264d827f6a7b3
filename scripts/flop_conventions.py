"""What the choice of convention does to FLOP counts, per network: `python -m scripts.flop_conventions [NETWORK ...]`.

Prints two things for images of 32×32 pixels and 100 classes, counted on the meta device:

- training over forward FLOPs, as greenkd counts them and as PyTorch's built-in rule does, which counts the backward
  pass of grouped convolutions too high;
- what batch norms would add to the multiply-accumulates of convolutions and matrix products, which alone count here, in
  the convention of thop: four operations per value (minus the mean, over the deviation, times and plus the parameters),
  each added as one. Other counters take one, two or five, or none.
"""

import argparse
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from greenkd import models
from greenkd.energy.flops import count_flops

IMAGE = (3, 32, 32)
IMAGES = 2
NORM_OPERATIONS = 4


def built_in_ratio(network: nn.Module) -> float:
    """Returns training over forward FLOPs by PyTorch's built-in rules."""
    with FlopCounterMode(display=False) as counter:
        logits = network(torch.empty(IMAGES, *IMAGE, device="meta"))
        forward = counter.get_total_flops()
        logits.sum().backward()
    return float(counter.get_total_flops() / forward)


def normalised_values(network: nn.Module) -> float:
    """Counts the values that go through batch norms for one image."""
    values = 0

    def count(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        nonlocal values
        values += output.numel()

    norms = [module for module in network.modules() if isinstance(module, nn.BatchNorm2d)]
    hooks = [norm.register_forward_hook(count) for norm in norms]
    with torch.no_grad():
        network(torch.empty(IMAGES, *IMAGE, device="meta"))
    for hook in hooks:
        hook.remove()
    return values / IMAGES


def main() -> None:
    """Prints one line per network."""
    parser = argparse.ArgumentParser(prog="python -m scripts.flop_conventions", description=__doc__)
    parser.add_argument("networks", nargs="*", metavar="NETWORK", help="all of classification if left out")
    names: list[str] = parser.parse_args().networks or [
        name for name, card in models.NETWORK_CARDS.items() if card.task == "classification"
    ]

    print(f"{'network':20}{'training ÷ forward':>20}{'built-in rule':>16}{'batch norms':>14}")
    for name in names:
        with torch.device("meta"):
            network = models.NETWORKS[name](num_classes=100).train()

        flops = count_flops(network, IMAGE, backward=True)
        ratio = flops.training / flops.forward
        norms = NORM_OPERATIONS * normalised_values(network) / flops.forward_macs
        print(f"{name:20}{ratio:20.3f}{built_in_ratio(network):16.2f}{100 * norms:12.1f} %")


if __name__ == "__main__":
    main()
