"""Weights into a network: none too many, none too few, of the right shape and kind, and all of them numbers."""

from collections.abc import Collection, Mapping

import torch
from torch import Tensor, nn

from greenkd.errors import ConfigError

COUNTER = ".num_batches_tracked"
"""How the names of batch norms' counters end, which many programs leave out."""

_SHOWN = 4


def load_network(network: nn.Module, tensors: Mapping[str, Tensor], where: str, cure: str = "") -> None:
    """Copies weights into a network, after checking that they are its own.

    Args:
        network: Takes the weights; left as it was if they are refused.
        tensors: By name, as in the network's state dict.
        where: The weights' origin, for messages.
        cure: A sentence that ends the message where names differ.

    Raises:
        ConfigError: Names, shapes or types differ, as with weights of another depth or for another number of classes,
            or a value is not finite.
    """
    needed = network.state_dict()
    check_names(needed, tensors, where, cure)
    for name, tensor in needed.items():
        _check_tensor(name, tensors[name], tensor, where)

    network.load_state_dict(dict(tensors))


def check_names(needed: Collection[str], given: Collection[str], where: str, cure: str = "") -> None:
    """Refuses weights whose names are not exactly the network's, with what is surplus and what is missing.

    Raises:
        ConfigError: They differ.
    """
    surplus = [name for name in given if name not in needed]
    missing = [name for name in needed if name not in given]
    if surplus or missing:
        counters_alone = not surplus and all(name.endswith(COUNTER) for name in missing)
        guess = (
            "these weights lack the counters of their batch norms"
            if counters_alone
            else "these weights are of another network, or their names are another program's"
        )
        raise ConfigError(
            f"{where}: {guess}. "
            f"Not in the network: {shortened(surplus)}. Missing in the file: {shortened(missing)}."
            f"{' ' if cure else ''}{cure}"
        )


def shortened(names: Collection[str]) -> str:
    """Returns the first names of many, and their number."""
    shown = ", ".join(list(names)[:_SHOWN])
    return f"{shown}, … ({len(names)} in all)" if len(names) > _SHOWN else shown or "none"


def _check_tensor(name: str, given: Tensor, needed: Tensor, where: str) -> None:
    if given.shape != needed.shape:
        raise ConfigError(
            f"{where}: {name} has shape {list(given.shape)}, this data set and network need "
            f"{list(needed.shape)}; the weights are of another number of classes, channels or width"
        )

    if given.layout is not torch.strided or given.is_meta:
        layout = "without values" if given.is_meta else f"stored as {str(given.layout).removeprefix('torch.')}"
        raise ConfigError(f"{where}: {name} is {layout}; save the weights as plain tensors: tensor.to_dense().cpu()")

    # A floating-point number of one byte is a quantised one: its scale stands elsewhere.
    quantised = given.is_floating_point() and given.element_size() == 1
    if given.is_floating_point() != needed.is_floating_point() or given.is_complex() or quantised:
        raise ConfigError(
            f"{where}: {name} holds {_kind(given)}, {_kind(needed)} is needed; quantised weights cannot be taken, "
            "save the weights they were made from"
        )

    # As they are used: what float64 can hold may be too large for float32.
    finite = torch.isfinite(given.to(needed.dtype))
    if not finite.all():
        count = int((~finite).sum())
        raise ConfigError(
            f"{where}: {name} holds {count} values that are no finite number (NaN or infinity); the training that made "
            "these weights broke down, or the file is damaged: take another checkpoint of it"
        )


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
