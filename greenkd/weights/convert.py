"""Makes tensors of another program into the state of one of our networks: names, what is missing, precision."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from greenkd.errors import ConfigError
from greenkd.training.network_weights import COUNTER, load_network, shortened
from greenkd.weights.name_schemes import SCHEMES

# Of wrappers around a network: DataParallel, torch.compile, Lightning and classes that hold a network.
_WRAPPER = re.compile(r"(^|\.)_orig_mod\.")
_SHORTCUT = re.compile(r"layer\d+\.0\.downsample\.")
# In files, but no part of the networks here: what profilers, averages over training and auxiliary classifiers leave.
_LEFT_OUT = re.compile(r"(^|\.)(total_ops|total_params|n_averaged)$|^aux[12]\.")
_BATCH_NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class Conversion:
    """Weights that fit a network, and what was done to get them.

    Attributes:
        tensors: As in the network's state dict.
        used_by: The programs whose names they had.
        prefix: Taken from every name.
        renamed: Layers by their former names, where those differ.
        counters: How many counters of batch norms were added.
        shortcuts: Parameter-free shortcuts that were written as convolutions.
        left_out: Names of what the network has no place for.
        casts: Precisions that were changed, such as `float16`.
    """

    tensors: dict[str, Tensor]
    used_by: str
    prefix: str = ""
    renamed: Mapping[str, str] = field(default_factory=dict)
    counters: int = 0
    shortcuts: Sequence[str] = ()
    left_out: Sequence[str] = ()
    casts: Sequence[str] = ()


@dataclass(frozen=True)
class _Match:
    """How well a scheme's names fit the network's."""

    used_by: str
    names: dict[str, str]
    left_out: list[str]
    counters: list[str]
    shortcuts: list[str]
    surplus: list[str]
    missing: list[str]

    @property
    def mismatches(self) -> int:
        return len(self.surplus) + len(self.missing)


def convert(tensors: Mapping[str, Tensor], network: nn.Module, where: str) -> Conversion:
    """Finds the naming scheme that fits, and makes the network's state; the network has it afterwards.

    Args:
        tensors: As another program has named them.
        network: One of ours, on the CPU.
        where: The file, for messages.

    Raises:
        ConfigError: No scheme gives exactly the network's names, or shapes or values do not fit.
    """
    needed = network.state_dict()
    stripped, prefix = strip_wrappers(tensors, needed)

    matches = [_match(scheme.used_by, scheme.rename(list(stripped), list(needed)), needed) for scheme in SCHEMES]
    best = min(matches, key=lambda match: match.mismatches)
    if best.mismatches:
        raise ConfigError(
            f"{where}: no known way of naming makes these the weights of this network. At best ({best.used_by}) "
            f"not in the network: {shortened(best.surplus)}; missing in the file: {shortened(best.missing)}. "
            "Is it this network, of this depth and width? docs/networks.md says which programs' differ from ours"
        )

    # Shapes and values are checked before anything is cast: a file may claim any size.
    state = {new: stripped[old] for old, new in best.names.items()}
    state |= {name: torch.zeros((), dtype=torch.int64) for name in best.counters}
    state |= {name: _identity_shortcut(name, needed[name]) for name in best.shortcuts}
    load_network(network, state, where)

    return Conversion(
        tensors={name: tensor.clone() for name, tensor in network.state_dict().items()},
        used_by=best.used_by,
        prefix=prefix,
        renamed=_renamed_layers(best.names),
        counters=len(best.counters),
        shortcuts=sorted({name.rsplit(".", 2)[0] for name in best.shortcuts}),
        left_out=best.left_out,
        casts=sorted({_kind(tensor) for name, tensor in state.items() if tensor.dtype != needed[name].dtype}),
    )


def strip_wrappers(tensors: Mapping[str, Tensor], needed: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """Takes away what wrappers put before every name, as long as the network's own names do not begin so.

    Returns:
        The tensors by shorter names, and what was taken away from each.
    """
    stripped = {_WRAPPER.sub(r"\1", name): tensor for name, tensor in tensors.items()}
    compiled = "_orig_mod." if stripped.keys() != tensors.keys() else ""
    prefix = ""

    while True:
        heads = {name.partition(".")[0] for name in stripped if not _LEFT_OUT.search(name)}
        head = next(iter(heads), "")
        if len(heads) != 1 or any(name.startswith(f"{head}.") for name in needed):
            return stripped, prefix + compiled
        if any("." not in name for name in stripped if not _LEFT_OUT.search(name)):
            return stripped, prefix + compiled
        stripped = {name.removeprefix(f"{head}."): tensor for name, tensor in stripped.items()}
        prefix += f"{head}."


def _match(used_by: str, renamed: Mapping[str, str], needed: Mapping[str, Tensor]) -> _Match:
    names, left_out, surplus, taken = {}, [], [], set()
    for old, new in renamed.items():
        if new in needed and new not in taken:
            names[old] = new
            taken.add(new)
        elif _LEFT_OUT.search(old):
            left_out.append(old)
        else:
            surplus.append(old)

    missing = [name for name in needed if name not in taken]
    counters = [name for name in missing if name.endswith(COUNTER)]

    # Shortcuts without parameters (He et al.'s option A) are all missing, or they are none.
    shortcuts = [name for name in needed if _SHORTCUT.match(name) and not name.endswith(COUNTER)]
    if not all(name in missing and _is_doubling(name, needed) for name in shortcuts):
        shortcuts = []

    missing = [name for name in missing if name not in {*counters, *shortcuts}]
    return _Match(used_by, names, left_out, counters, shortcuts, surplus, missing)


def _is_doubling(name: str, needed: Mapping[str, Tensor]) -> bool:
    weight = needed[f"{name.rsplit('.', 2)[0]}.0.weight"]
    return weight.shape[0] == 2 * weight.shape[1]


def _identity_shortcut(name: str, like: Tensor) -> Tensor:
    """Returns a parameter of a 1×1 convolution and batch norm that pass channels on, between new ones of zero.

    As akamaster's shortcut of option A does: half of the zero channels come before those that are passed on, half
    after. The batch norm does nothing in evaluation: mean 0, variance 1 with its epsilon, factor 1, shift 0.
    """
    if name.endswith("0.weight"):
        weight = torch.zeros_like(like)
        out_channels, in_channels = like.shape[:2]
        before = (out_channels - in_channels) // 2
        weight[range(before, before + in_channels), range(in_channels)] = 1.0
        return weight

    if name.endswith("running_var"):
        return torch.full_like(like, 1.0 - _BATCH_NORM_EPSILON)
    return torch.ones_like(like) if name.endswith("1.weight") else torch.zeros_like(like)


def _renamed_layers(names: Mapping[str, str]) -> dict[str, str]:
    layers = {old.rpartition(".")[0]: new.rpartition(".")[0] for old, new in names.items()}
    return {old: new for old, new in layers.items() if old != new}


def _kind(tensor: Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")
