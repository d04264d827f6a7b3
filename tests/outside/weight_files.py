"""Files of weights as people have them: prefixes, containers, missing counters, NaN, int8, and files that are none."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

State = dict[str, Tensor]

LFS_POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 3426\n"
WEB_PAGE = b"<!DOCTYPE html>\n<html><head><title>resnet56.th - Google Drive</title></head></html>\n"


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: tensor for name, tensor in state.items()}


def without_counters(state: State) -> State:
    return {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}


def each_float(state: State, change: Callable[[Tensor], Tensor]) -> State:
    return {name: change(tensor) if tensor.is_floating_point() else tensor for name, tensor in state.items()}


def as_nan(state: State) -> State:
    return each_float(state, lambda tensor: tensor * float("nan"))


def as_int8(state: State) -> State:
    return each_float(state, lambda tensor: (tensor * 127).clamp(-127, 127).to(torch.int8))


def safetensors_file(path: Path, state: State) -> Path:
    save_file({name: tensor.contiguous() for name, tensor in state.items()}, path)
    return path


def torch_file(path: Path, content: Any) -> Path:
    torch.save(content, path)
    return path


def repdistiller_checkpoint(state: State) -> dict[str, Any]:
    """RepDistiller keeps its parsed options, and NumPy's numbers, beside the network's state."""
    options = argparse.Namespace(model="resnet8", lr_decay_epochs=[150, 180, 210])
    return {"opt": options, "model": state, "best_acc": np.float64(0.72), "epoch": 240}


class OwnClass:
    """An object that a program has put into its checkpoint, and that only its code could make again."""
