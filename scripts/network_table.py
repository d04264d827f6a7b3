"""All networks as three Markdown tables, sizes, cards, detectors: `python -m scripts.network_table`.

docs/networks.md holds this command's output between two markers; `--write docs/networks.md` renews it there.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from greenkd import models
from greenkd.network_cards import NetworkCard

BEGIN = "<!-- python -m scripts.network_table: begin -->\n"
END = "<!-- python -m scripts.network_table: end -->\n"

_SIZES_HEADER = (
    "| network | parameters, 10 classes | parameters, 100 classes "
    "| MMAC, 32×32, 100 classes | MMAC, 64×64, 200 classes | smallest image |\n"
    "| --- | ---: | ---: | ---: | ---: | ---: |\n"
)
_CARDS_HEADER = (
    "| network | what it is | its own settings | a teacher, a student to try it with "
    "| accuracy on CIFAR-100 alone, % | what its source does otherwise |\n"
    "| --- | --- | --- | --- | --- | --- |\n"
)
_DETECTORS_HEADER = (
    "| detector | what it is | parameters | MMAC | counted at | its own settings | a teacher, a student to try it with "
    "| mAP on VOC 2007 alone | what its source does otherwise |\n"
    "| --- | --- | ---: | ---: | --- | --- | --- | --- | --- |\n"
)


def count_parameters(network: nn.Module) -> int:
    """Counts the trainable numbers of a network."""
    return sum(parameter.numel() for parameter in network.parameters())


def count_macs(network: nn.Module, in_channels: int, image_size: int) -> int:
    """Counts the multiply-accumulates of one image's forward pass: convolutions and matrix products, nothing else.

    Args:
        network: On the meta device.
        in_channels: Channels of the image.
        image_size: Pixels per side.
    """
    counter = FlopCounterMode(display=False)

    network.train()  # takes the counter half as long, which in evaluation mode takes batch norm to pieces
    with counter, torch.no_grad():
        network(torch.empty(2, in_channels, image_size, image_size, device="meta"))

    flops: int = counter.get_total_flops()
    return flops // 4


def smallest_image(build: Callable[..., nn.Module]) -> int:
    """Finds the smallest image (pixels per side) that a network accepts; call it under the meta device."""
    size = 1
    while True:
        try:
            build(num_classes=10, image_size=size)
        except ValueError:
            size += 1
        else:
            return size


def table() -> str:
    """Returns the tables; in both of classification, and in that of detection, every network has a row."""
    return f"{_sizes_table()}\n{_cards_table()}\n{_detectors_table()}"


def _sizes_table() -> str:
    rows = []
    with torch.device("meta"):
        for name in _cards("classification"):
            build = models.NETWORKS[name]
            cifar = build(num_classes=100)
            tiny_imagenet = build(num_classes=200, image_size=64)

            cells = [
                f"`{name}`",
                f"{count_parameters(build(num_classes=10)):,}",
                f"{count_parameters(cifar):,}",
                f"{count_macs(cifar, 3, 32) / 1e6:,.2f}",
                f"{count_macs(tiny_imagenet, 3, 64) / 1e6:,.2f}",
                str(smallest_image(build)),
            ]
            rows.append(f"| {' | '.join(cells)} |\n")

    return _SIZES_HEADER + "".join(rows)


def _cards_table() -> str:
    rows = []
    for card in _cards("classification").values():
        cells = [
            f"`{card.name}`",
            card.summary,
            ", ".join(f"`{argument}={default}`" for argument, default in card.arguments.items()),
            f"`{card.teacher}`, `{card.student}`",
            "; ".join(f"{percent:.2f} ({source})" for source, percent in card.accuracy.items()),
            card.differences,
        ]
        rows.append(f"| {' | '.join(cells)} |\n")

    return _CARDS_HEADER + "".join(rows)


def _detectors_table() -> str:
    rows = []
    for card in _cards("detection").values():
        channels, height, width = card.input_shape
        cells = [
            f"`{card.name}`",
            card.summary,
            f"{card.parameters:,}",
            f"{card.macs / 1e6:,.2f}",
            f"{channels}×{height}×{width}, {card.num_classes} classes, anchors `{card.anchors}`",
            ", ".join(f"`{argument}={default}`" for argument, default in card.arguments.items()),
            f"`{card.teacher}`, `{card.student}`",
            "; ".join(f"{value:.2f} ({source})" for source, value in card.accuracy.items()),
            card.differences,
        ]
        rows.append(f"| {' | '.join(cells)} |\n")

    return _DETECTORS_HEADER + "".join(rows)


def _cards(task: str) -> dict[str, NetworkCard]:
    return {name: card for name, card in models.NETWORK_CARDS.items() if card.task == task}


def main() -> None:
    """Prints the tables, or writes them between the markers of a page."""
    parser = argparse.ArgumentParser(prog="python -m scripts.network_table", description=__doc__)
    parser.add_argument("--write", type=Path, metavar="PAGE", help="renew the tables in this page")
    page: Path | None = parser.parse_args().write

    if page is None:
        print(table(), end="")
        return

    before, begin, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        parser.error(f"{page} lacks the lines {BEGIN.strip()} and {END.strip()}; the tables go between them")

    page.write_text(before + begin + table() + end + after, encoding="utf-8")


if __name__ == "__main__":
    main()
