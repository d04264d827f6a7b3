"""`greenkd weights convert`: a checkpoint of another program becomes weights that `teacher.weights` takes.

greenkd weights convert resnet56.th --network resnet56
greenkd weights convert ckpt_epoch_240.pth --network resnet32x4 --dataset cifar100 data_dir=data
greenkd weights convert ShuffleV2.pth --network shufflenet_v2 teacher.stem_kernel=1 -o shuffle.safetensors
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hydra
import torch
from hydra.errors import HydraException
from torch import Tensor, nn

from greenkd.components import build
from greenkd.configuration import CONF, register_configuration
from greenkd.data import AnyDataset, AnyOptions, load
from greenkd.errors import ConfigError
from greenkd.identity import plain
from greenkd.models import NETWORK_CARDS
from greenkd.output_encoding import printable
from greenkd.tasks import make_task
from greenkd.teacher.seen_validation import seen_validation
from greenkd.training.backend.device import resolve_device
from greenkd.training.data_module import DataModule
from greenkd.training.network_factory import NETWORK_KEYS
from greenkd.training.recipe import read_options
from greenkd.training.safetensors_io import save_tensors
from greenkd.training.weights_file import expand
from greenkd.weights.convert import Conversion, convert
from greenkd.weights.foreign_file import read_foreign
from greenkd.whereabouts import sweep_command

_IMAGE_SIZE = 32


def main(arguments: Sequence[str]) -> None:
    """Converts one file, as the command line says.

    Raises:
        GreenkdError: The file cannot be read or converted, or a setting is refused.
    """
    options = _parser().parse_intermixed_args(arguments)
    path = expand(options.file)
    output = expand(options.output) if options.output else path.with_name(f"{path.stem}-{options.network}.safetensors")
    if output.exists():
        raise ConfigError(f"{output}: is there already; give -o <another file>")

    # Everything that can be refused, before the weights are touched
    card = NETWORK_CARDS.get(options.network)
    if card is not None and card.task == "detection" and not options.dataset:
        raise ConfigError(
            f"--network {options.network}: is a detector; give --dataset, whose anchors and classes it needs"
        )
    foreign = read_foreign(path)
    config = _compose(options.network, options.dataset, options.overrides)
    data = load(config["dataset"]) if options.dataset else None
    shape = make_task(data[1]).given(data[1]) if data else _shape_by_weights(foreign.tensors, path)

    network = build(
        {key: value for key, value in config["teacher"].items() if key not in NETWORK_KEYS},
        where="teacher",
        expect=nn.Module,
        given=shape,
    )
    conversion = convert(foreign.tensors, network, str(path))
    save_tensors(output, conversion.tensors, {"converted_from": path.name})

    # What was done, what it is worth, and how to use it
    print(printable(f"{path}: {foreign.origin}; {shape['num_classes']} classes, {shape['in_channels']} channels"))
    print(printable("\n".join(f"  {line}" for line in _report(conversion))))
    print(printable(f"written: {output}"))
    if data is not None:
        print("\n".join(_scores(config, *data, network)))
    overrides = [f"dataset={options.dataset or '<data set>'}", *options.overrides]
    chosen = f"teacher={options.network} teacher.weights={output} {' '.join(overrides)}"
    print(printable(f"use it: {sweep_command()} {chosen}"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="greenkd weights",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("action", choices=["convert"], help="convert: make the weights fit a network of greenkd")
    parser.add_argument("file", help="a checkpoint: .pth, .th, .pt, .bin, .safetensors")
    parser.add_argument("--network", required=True, help="the network it is of: any option of teacher=")
    parser.add_argument("--dataset", help="also say its score on this data set: any option of dataset=")
    parser.add_argument("-o", "--output", help="the file to write (default: beside the other, <name>-<network>)")
    parser.add_argument(
        "overrides",
        nargs="*",
        metavar="KEY=VALUE",
        help="settings as of a campaign: data_dir=data, teacher.stem_kernel=1, dataset.mean=[0.5,0.5,0.5], ...",
    )
    return parser


def _compose(network: str, dataset: str | None, overrides: Sequence[str]) -> dict[str, Any]:
    """Composes conf/ as a campaign does.

    Raises:
        ConfigError: An option or a setting is unknown.
    """
    chosen = [f"teacher={network}", *([f"dataset={dataset}"] if dataset else []), *overrides]
    register_configuration()
    try:
        with hydra.initialize_config_dir(str(CONF), version_base="1.3"):
            return plain(hydra.compose("config", chosen))
    except HydraException as error:
        reason = str(error).partition("Config search path")[0]  # the options there are come before it
        raise ConfigError(" ".join(reason.split())) from error


def _shape_by_weights(tensors: dict[str, Tensor], path: Path) -> dict[str, object]:
    """Reads classes and channels from the last linear layer and the first convolution."""
    linears = [tensor for tensor in tensors.values() if tensor.ndim == 2]
    convolutions = [tensor for tensor in tensors.values() if tensor.ndim == 4]
    if not linears or not convolutions:
        raise ConfigError(f"{path}: has no convolution with a linear layer after it, so it is no network for images")
    return {
        "num_classes": linears[-1].shape[0],
        "in_channels": convolutions[0].shape[1],
        "image_size": _IMAGE_SIZE,
    }


def _report(conversion: Conversion) -> list[str]:
    """Says what was done, a line each."""
    lines = [f"names: as {conversion.used_by}"]
    if conversion.prefix:
        lines.append(f"taken from every name: {conversion.prefix}")
    lines += [f"renamed: {old} → {new}" for old, new in conversion.renamed.items()]
    if conversion.shortcuts:
        lines.append(
            f"shortcuts without parameters (option A) written as convolutions: {', '.join(conversion.shortcuts)}; "
            "new channels in equal parts before and after the old ones, as akamaster has them"
        )
    if conversion.counters:
        lines.append(f"added: {conversion.counters} counters num_batches_tracked")
    if conversion.left_out:
        lines.append(f"left out: {', '.join(conversion.left_out)}")
    if conversion.casts:
        lines.append(f"precision: {', '.join(conversion.casts)} → float32")
    return lines


def _scores(config: dict[str, Any], options: AnyOptions, dataset: AnyDataset, network: nn.Module) -> list[str]:
    """Says the network's score on both splits, and whether it has seen the first."""
    device = resolve_device(str(config["device"]))
    network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    task = make_task(dataset)
    data = DataModule(task, options, dataset, device)
    precision = read_options(config["training"]).recipe
    val, test = data.validation(network, precision).value, data.test(network, precision).value

    mean, std = ([round(value, 4) for value in values] for values in (options.mean, options.std))
    lines = [
        f"{task.metric.name}: validation {100 * val:.2f} %, test {100 * test:.2f} %, "
        f"at dataset.mean={mean} dataset.std={std}",
        "  lower than its program says? give that program's mean and std, here and to the campaign",
    ]
    if not task.has_hits:
        return lines
    seen = seen_validation(val, len(data.validation), test, len(data.test))
    return [*lines, f"  {seen}"] if seen else lines
