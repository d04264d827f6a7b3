"""`greenkd.load_student`: from a campaign's folder, or an exported file, to a network that is ready for use."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from greenkd.components import build
from greenkd.errors import ConfigError, StorageError
from greenkd.export.campaign_facts import WEIGHTS, read_facts
from greenkd.export.facts import StudentFacts
from greenkd.export.student import Student
from greenkd.models import NETWORKS
from greenkd.records.validation import validated
from greenkd.tasks import task_on_record
from greenkd.training.backend.device import resolve_device
from greenkd.training.network_weights import load_network
from greenkd.training.safetensors_io import load_foreign_tensors, load_tensors

EXPORTED = "model.safetensors"
_GRAPHS = (".onnx", ".pt2")  # what else an export is called


def load_student(folder: str | os.PathLike[str], *, device: str = "cpu", trust: bool = False) -> Student:
    """Loads the student that a campaign chose, in evaluation mode.

        import greenkd
        student = greenkd.load_student("multirun/default/digits/…/seed0-d96224b2d1")
        student.predict(["seven.png"]).names  # ('7',)

    Every file is held against its checksum before it is used.

    Args:
        folder: A campaign's folder; or `model.safetensors` as `greenkd export` writes it, or the folder it lies in.
        device: `cpu`, `cuda`, `cuda:1`, `mps`, or `auto`.
        trust: Import and run a network that is not of greenkd or timm, if the folder names one. Whoever wrote the
            folder decides what is run then.

    Raises:
        ConfigError: It is neither, the campaign has not finished, or its network is not trusted.
        DataError: An earlier version recorded no normalisation, and the data set is not at hand.
        StorageError: A file is missing, or is not what was written.
    """
    path = Path(folder).expanduser()
    exported = path if path.is_file() else path / EXPORTED
    if exported.is_file() and not (path / "campaign.json").is_file():
        facts, tensors = _read_exported(exported)
    else:
        facts, tensors = _read_campaign(path)

    chosen = resolve_device(device)
    network = _build(facts, trust, str(path))
    load_network(network, tensors, str(path))
    return Student(network=network.to(chosen).eval(), facts=facts, device=chosen)


def _read_campaign(folder: Path) -> tuple[StudentFacts, dict[str, Tensor]]:
    facts = read_facts(folder)
    tensors, meta = load_tensors(folder / WEIGHTS)
    if meta.get("trial") != facts.test.trial:
        raise StorageError(
            f"{folder / WEIGHTS}: holds trial {meta.get('trial')}, campaign.json chose trial {facts.test.trial}; "
            "copy the campaign's folder anew from where it is whole"
        )
    return facts, tensors


def _read_exported(file: Path) -> tuple[StudentFacts, dict[str, Tensor]]:
    if file.suffix in _GRAPHS:
        raise ConfigError(
            f"{file}: is a graph, for programs without greenkd; give the campaign's folder, or {EXPORTED} of "
            "--format safetensors"
        )

    tensors, meta = load_foreign_tensors(file)
    if meta is None or "student" not in meta:
        raise ConfigError(
            f"{file}: holds no student of greenkd; give a campaign's folder, or what greenkd export wrote"
        )
    return validated(StudentFacts, meta["student"], str(file)), tensors


def _build(facts: StudentFacts, trust: bool, where: str) -> nn.Module:
    if not (trust or _is_ours(facts.network)):
        raise ConfigError(
            f"{where}: its network is {facts.network.get('_target_')}, code of its own that loading would import and "
            "run; if you know it, give trust=True (greenkd export: --trust)"
        )

    with torch.random.fork_rng(devices=[]):
        given = task_on_record(facts.data).given(facts.data)
        return build(facts.network, where="student", expect=nn.Module, given=given)


def _is_ours(network: Mapping[str, Any]) -> bool:
    """Tells whether building a network runs greenkd's code, or timm's, and nobody else's."""
    targets = {f"greenkd.models.{name}" for name in (*NETWORKS, "from_timm")}
    nested = any(isinstance(value, Mapping | list) for value in network.values())
    return network.get("_target_") in targets and not nested
