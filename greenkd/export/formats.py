"""The kinds of files that a student is exported to. In each, its facts travel as JSON under the key `greenkd`."""

import contextlib
import dataclasses
import importlib
import importlib.util
import io
import json
import logging
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import torch

import greenkd
from greenkd.errors import ConfigError
from greenkd.export.graph import INPUT, GraphFacts, capture, graph_facts
from greenkd.export.loading import EXPORTED
from greenkd.export.student import Student
from greenkd.records import write_bytes
from greenkd.training.safetensors_io import save_tensors

KEY = "greenkd"
_NEEDED_FOR_ONNX = ("onnx", "onnxscript")


class Format(NamedTuple):
    """A kind of file."""

    file: str  # the name that its files have
    write: Callable[[Student, Path, bool], GraphFacts | None]  # the last argument: whether the graph takes pixels
    has_graph: bool  # False: weights alone


def metadata(student: Student, graph: GraphFacts | None) -> dict[str, Any]:
    """Returns what stands in an exported file beside the weights.

    Args:
        student: What is exported.
        graph: What the graph takes and gives; None where there is none.
    """
    described = {} if graph is None else dataclasses.asdict(graph)
    return {"exported_by": f"greenkd {greenkd.__version__}", **described, "student": dataclasses.asdict(student.facts)}


def _write_safetensors(student: Student, path: Path, _pixels: bool) -> None:
    # As it will be read: tuples are lists in JSON, and the digest is over the text.
    meta = json.loads(json.dumps(metadata(student, None)))
    save_tensors(path, dict(student.network.state_dict()), meta)


def _write_program(student: Student, path: Path, pixels: bool) -> GraphFacts:
    facts, buffer = graph_facts(student, pixels=pixels), io.BytesIO()
    extra = {f"{KEY}.json": json.dumps(metadata(student, facts), ensure_ascii=False)}
    torch.export.save(capture(student, pixels=pixels), buffer, extra_files=extra)
    write_bytes(path, buffer.getvalue())
    return facts


def _write_onnx(student: Student, path: Path, pixels: bool) -> GraphFacts:
    missing = [name for name in _NEEDED_FOR_ONNX if importlib.util.find_spec(name) is None]
    if missing:
        raise ConfigError(f"--format onnx: needs {' and '.join(missing)}; pip install 'greenkd[export]'")

    facts = graph_facts(student, pixels=pixels)
    program = capture(student, pixels=pixels)
    with _quietly():
        exported = torch.onnx.export(
            program,
            dynamo=True,
            input_names=[INPUT],
            output_names=list(facts.outputs),
            dynamic_shapes={INPUT: {0: "batch"}},
            verbose=False,
        )
    assert exported is not None
    model = exported.model_proto

    onnx: Any = importlib.import_module("onnx")
    model.metadata_props.add(key=KEY, value=json.dumps(metadata(student, facts), ensure_ascii=False))
    model.producer_name, model.producer_version = KEY, greenkd.__version__
    onnx.checker.check_model(model, full_check=True)
    write_bytes(path, model.SerializeToString())
    return facts


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Keeps what the exporter says to its own developers off the terminal."""
    logger = logging.getLogger("torch.onnx")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)


FORMATS = {
    "safetensors": Format(EXPORTED, _write_safetensors, has_graph=False),
    "onnx": Format("model.onnx", _write_onnx, has_graph=True),
    "torch": Format("model.pt2", _write_program, has_graph=True),
}
"""Every kind, by the word that `--format` takes."""
